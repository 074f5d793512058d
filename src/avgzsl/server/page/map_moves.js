// What moves a map: the wheel, fingers, the mouse, keys. It tells `map` where to go, and what is pointed at.

const STEP = 60; // pixels that an arrow moves it by
const SLACK = 4; // pixels that a click may move

export function moves(canvas, map, { over, chosen, middle }) {
  const fingers = new Map();
  let moved = 0;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const touch = () => (canvas.style.touchAction = map.zoomed() ? "none" : "pan-y"); // a finger scrolls the page, or the map

  canvas.addEventListener("wheel", (event) => {
    const factor = Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015));
    if (factor < 1 && !map.zoomed() && !event.ctrlKey) return; // the whole map is there: the page scrolls on
    event.preventDefault();
    map.zoom(factor, ...at(event));
    touch();
  }, { passive: false });

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (!fingers.size) moved = 0;
    fingers.set(event.pointerId, at(event));
    try {
      canvas.setPointerCapture(event.pointerId);
    } catch {
      // the finger is gone already
    }
  });

  canvas.addEventListener("pointermove", (event) => {
    const here = at(event);
    const before = fingers.get(event.pointerId);
    if (!before) return over(...here);
    fingers.set(event.pointerId, here);
    const [dx, dy] = [here[0] - before[0], here[1] - before[1]];
    moved += Math.hypot(dx, dy);
    if (fingers.size === 2) {
      const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      const [was, is] = [before, here].map(([x, y]) => Math.hypot(x - other[0], y - other[1]));
      map.zoom(is / Math.max(was, 1), (here[0] + other[0]) / 2, (here[1] + other[1]) / 2);
      map.pan(dx / 2, dy / 2);
    } else if (moved > SLACK && (event.pointerType !== "touch" || map.zoomed())) map.pan(dx, dy);
    touch();
  });

  const ended = (event) => fingers.delete(event.pointerId);
  canvas.addEventListener("pointerup", (event) => {
    const clicked = fingers.size === 1 && moved <= SLACK;
    if (ended(event) && clicked) chosen(...at(event));
  });
  canvas.addEventListener("pointercancel", ended);
  canvas.addEventListener("pointerleave", () => over(-1e4, -1e4));

  const keys = {
    ArrowLeft: () => map.pan(STEP, 0),
    ArrowRight: () => map.pan(-STEP, 0),
    ArrowUp: () => map.pan(0, STEP),
    ArrowDown: () => map.pan(0, -STEP),
    "+": () => map.zoom(1.5),
    "=": () => map.zoom(1.5),
    "-": () => map.zoom(1 / 1.5),
    0: () => map.whole(),
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = Object.hasOwn(keys, event.key) ? keys[event.key] : null;
    if (key) key(), middle(false);
    else if (event.key === "Enter" || event.key === " ") middle(true);
    else return;
    event.preventDefault();
    touch();
  });
  touch();
}

// What a canvas shows of the plane: places between 0 and 1 as pixels, moved and made larger.

const PAD = 40; // pixels around the whole plane
const DEEPEST = 60;

// `changed` is called after each move.
export function viewOf(changed) {
  const view = {
    k: 1,
    tx: 0,
    ty: 0,
    width: 1,
    height: 1,
    across: (x) => (PAD + x * (view.width - 2 * PAD)) * view.k + view.tx,
    down: (y) => (PAD + y * (view.height - 2 * PAD)) * view.k + view.ty,
    zoomed: () => view.k > 1.001,
    pan(dx, dy) {
      view.tx += dx;
      view.ty += dy;
      settle();
    },
    zoom(factor, px = view.width / 2, py = view.height / 2) {
      const k = Math.max(1, Math.min(DEEPEST, view.k * factor));
      view.tx = px - ((px - view.tx) * k) / view.k;
      view.ty = py - ((py - view.ty) * k) / view.k;
      view.k = k;
      settle();
    },
    whole() {
      Object.assign(view, { k: 1, tx: 0, ty: 0 });
      changed();
    },
    resize(width, height) {
      view.tx *= width / view.width;
      view.ty *= height / view.height;
      Object.assign(view, { width, height });
      settle();
    },
    // The place under a pixel, and how far `reach` pixels are there, across and down.
    under(px, py, reach) {
      const [w, h] = [(view.width - 2 * PAD) * view.k, (view.height - 2 * PAD) * view.k];
      return [(px - view.tx - PAD * view.k) / w, (py - view.ty - PAD * view.k) / h, reach / w, reach / h];
    },
  };

  // What stands at the edge of the map can be brought to the middle.
  function settle() {
    const over = Math.min(0.5, view.k - 1);
    const held = (shift, size) => Math.min(over * size, Math.max(shift, (1 - view.k - over) * size));
    view.tx = held(view.tx, view.width);
    view.ty = held(view.ty, view.height);
    changed();
  }

  return view;
}

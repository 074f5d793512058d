// What stands on the dots of the map: stars of class names, names, a ring around the clip that is pointed at.

const STAR = "M0-15l4.100 10 10.600.8-8.100 6.900 2.600 10.400L0 7.200-9.200 13.100l2.600-10.400-8.100-6.900 10.600-.8z";

export function star(pen, view, { colours, ink, surface }, { x, y, tint, hollow }, opacity) {
  pen.save();
  pen.globalAlpha = opacity;
  pen.translate(view.across(x), view.down(y));
  if (view.width < 600) pen.scale(0.65, 0.65);
  const path = new Path2D(STAR);
  pen.fillStyle = hollow ? surface : colours[tint];
  pen.strokeStyle = hollow ? colours[tint] : ink;
  pen.lineWidth = hollow ? 3.2 : 1.6;
  pen.lineJoin = "round";
  pen.fill(path);
  pen.stroke(path);
  pen.restore();
}

export function ring(pen, px, py, radius, ink) {
  pen.beginPath();
  pen.arc(px, py, radius, 0, 7);
  pen.lineWidth = 3;
  pen.strokeStyle = ink;
  pen.stroke();
}

export function cross(pen, px, py, ink) {
  pen.lineWidth = 2;
  pen.strokeStyle = ink;
  pen.stroke(new Path2D(`M${px - 14} ${py}h10m8 0h10M${px} ${py - 14}v10m0 8v10`));
}

// Names beside, above or below their places, where they cover no other; the first ones go before.
export function placed(pen, view, { names, stars }, font) {
  pen.font = `600 13px ${font}`;
  const box = (x, y) => [x - 15, y - 15, x + 15, y + 15];
  const taken = stars.map((one) => box(view.across(one.x), view.down(one.y)));
  const free = ([l, t, r, b]) => taken.every(([L, T, R, B]) => r < L || R < l || b < T || B < t);
  const found = [];
  for (const { text, x, y, starred, group } of names) {
    const [cx, cy] = [view.across(x), view.down(y)];
    if (cx < -20 || cy < -20 || cx > view.width + 20 || cy > view.height + 20) continue;
    const w = pen.measureText(text).width + 6;
    const gap = starred ? 18 : 0;
    const spots = [[cx + gap - (starred ? 0 : w / 2), cy - 9], [cx - gap - w, cy - 9], [cx - w / 2, cy - gap - 19], [cx - w / 2, cy + gap + 1]];
    const spot = spots.map(([l, t]) => [Math.max(3, Math.min(l, view.width - w - 3)), t]).find(([l, t]) => t > 2 && t + 18 < view.height && free([l, t, l + w, t + 18]));
    if (!spot) continue;
    taken.push([spot[0], spot[1], spot[0] + w, spot[1] + 18]);
    found.push({ text, left: spot[0] + 3, base: spot[1] + 14, group });
  }
  return found;
}

export function name(pen, { ink, surface }, { text, left, base }, opacity) {
  pen.globalAlpha = opacity;
  pen.lineWidth = 4;
  pen.lineJoin = "round";
  pen.strokeStyle = surface;
  pen.strokeText(text, left, base);
  pen.fillStyle = ink;
  pen.fillText(text, left, base);
  pen.globalAlpha = 1;
}

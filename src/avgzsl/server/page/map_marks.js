// What stands on the dots of the map: stars of class names, a ring around the clip that is pointed at.

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

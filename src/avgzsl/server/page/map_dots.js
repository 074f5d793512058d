// Dots as pixels: a canvas takes 50 ms to draw 15,000 small pictures, an array of pixels 3.

export const COLOURS = 12;
export const SHAPES = ["M6 0A6 6 0 1 1-6 0A6 6 0 1 1 6 0z", "M-5.500-5.500h11v11h-11z", "M0-7l7 12h-14z", "M0-7.500l7.500 7.500-7.500 7.500-7.500-7.500z"];
export const FAINT = 0.14; // how opaque what is not chosen is
const NONE = COLOURS * SHAPES.length; // the dot of what is in no group

// The colours of the page as it is now, and the pixels of the dot of each group, `bright` and `faint`.
export function inkwell(canvas, scale) {
  const style = getComputedStyle(canvas);
  const value = (name) => style.getPropertyValue(name).trim();
  const colours = [...Array(COLOURS).keys(), "none"].map((one) => value(`--tint-${one}`));
  const well = { scale, colours, ink: value("--ink"), surface: value("--surface"), font: style.fontFamily };
  const half = Math.ceil(8 * scale + 1);
  const sheet = Object.assign(document.createElement("canvas"), { width: 2 * half, height: 2 * half });
  const pen = sheet.getContext("2d", { willReadFrequently: true });
  const all = (opacity) => Array.from({ length: NONE + 1 }, (_, i) => dot(pen, half, well, i, opacity));
  return { ...well, bright: all(1), faint: all(FAINT) };
}

function dot(pen, half, { scale, colours, surface }, i, opacity) {
  const path = new Path2D(SHAPES[i === NONE ? 0 : Math.floor(i / COLOURS)]);
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, 2 * half, 2 * half);
  pen.setTransform(scale, 0, 0, scale, half, half);
  pen.fillStyle = colours[i === NONE ? COLOURS : i % COLOURS];
  pen.strokeStyle = surface;
  pen.lineWidth = Math.min(1.5, scale);
  pen.globalAlpha = opacity;
  pen.fill(path);
  if (opacity === 1) pen.stroke(path); // the rim by which dots are told apart
  const pixels = new Uint32Array(pen.getImageData(0, 0, 2 * half, 2 * half).data.buffer);
  const there = [...pixels.keys()].filter((at) => pixels[at] >>> 24);
  return {
    dx: Int16Array.from(there, (at) => (at % (2 * half)) - half),
    dy: Int16Array.from(there, (at) => Math.floor(at / (2 * half)) - half),
    rgba: Uint32Array.from(there, (at) => pixels[at]),
  };
}

// Pixels of a canvas of this size, on which dots are put.
export function sheetOf(width, height) {
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  return {
    image,
    clear: () => pixels.fill(0),
    put(dots, group, px, py) {
      const { dx, dy, rgba } = dots[group < 0 ? NONE : group % NONE];
      for (let j = 0; j < rgba.length; j++) {
        const x = px + dx[j];
        const y = py + dy[j];
        if (x < 0 || y < 0 || x >= width || y >= height) continue;
        const at = y * width + x;
        const under = pixels[at];
        pixels[at] = under === 0 || rgba[j] >>> 24 === 255 ? rgba[j] : mixed(rgba[j], under);
      }
    },
  };
}

// One pixel over another, by how opaque it is.
function mixed(over, under) {
  const a = over >>> 24;
  const channel = (shift) => (((over >>> shift) & 255) * a + ((under >>> shift) & 255) * (255 - a)) / 255;
  return ((Math.max(a, under >>> 24) << 24) | (channel(16) << 16) | (channel(8) << 8) | channel(0)) >>> 0;
}

// Digits on a canvas: numbers from -1, black, to 1, white.
import { PIXELS } from "./network.js";

export function show(canvas, x, columns = 10) {
  const n = x.length / PIXELS, across = Math.min(n, columns), down = Math.ceil(n / across);
  canvas.width = 30 * across;
  canvas.height = 30 * down;
  const context = canvas.getContext("2d");
  context.fillStyle = "#808080";
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (let k = 0; k < n; k++) {
    const picture = context.createImageData(28, 28);
    for (let p = 0; p < PIXELS; p++) {
      const grey = Math.round(127.5 * (Math.min(1, Math.max(-1, x[k * PIXELS + p])) + 1));
      picture.data.set([grey, grey, grey, 255], 4 * p);
    }
    context.putImageData(picture, 30 * (k % across) + 1, 30 * Math.floor(k / across) + 1);
  }
}

// A canvas of 28x28 on which one draws, with the pointer or with the arrow keys and the space bar.
export class Pad {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = [14, 14];
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.stroke(event);
    });
    canvas.addEventListener("pointermove", (event) => event.buttons && this.stroke(event));
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("focus", () => this.paint());
    canvas.addEventListener("blur", () => this.paint());
    this.clear();
  }

  clear() {
    this.x = new Float32Array(PIXELS).fill(-1);
    this.paint();
  }

  get empty() {
    return this.x.every((value) => value === -1);
  }

  stroke(event) {
    const box = this.canvas.getBoundingClientRect();
    this.dot((28 * (event.clientX - box.left)) / box.width, (28 * (event.clientY - box.top)) / box.height);
    event.preventDefault();
  }

  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === " ") this.down = !this.down;
    else if (event.key in moves) this.pen = this.pen.map((place, k) => Math.min(27, Math.max(0, place + moves[event.key][k])));
    else return;
    if (this.down) this.dot(this.pen[0] + 0.5, this.pen[1] + 0.5);
    this.paint();
    event.preventDefault();
  }

  dot(across, down) {
    for (let p = 0; p < PIXELS; p++) {
      const distance = Math.hypot((p % 28) + 0.5 - across, Math.floor(p / 28) + 0.5 - down);
      this.x[p] = Math.max(this.x[p], Math.min(1, 2 * (1.9 - distance) - 1));
    }
    this.paint();
  }

  paint() {
    show(this.canvas, this.x);
    if (document.activeElement !== this.canvas) return;
    const context = this.canvas.getContext("2d");
    context.strokeStyle = this.down ? "#e69f00" : "#56b4e9";
    context.strokeRect(this.pen[0] + 0.5, this.pen[1] + 0.5, 2, 2);
  }
}

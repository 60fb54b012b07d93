// The shipped network, run by onnxruntime-web: predict(labels, w) makes (x_t, t) -> velocity, guided with scale w.
import * as ort from "./vendor/ort/ort.wasm.min.mjs";

ort.env.wasm.wasmPaths = new URL("./vendor/ort/", import.meta.url).href;
ort.env.wasm.numThreads = 1; // more would need headers that a static host does not send

export const PIXELS = 28 * 28;

export async function load() {
  const [session, config] = await Promise.all([
    ort.InferenceSession.create(new URL("./model.onnx", import.meta.url).href),
    fetch(new URL("./model.json", import.meta.url)).then((answer) => answer.json()),
  ]);

  async function call(x_t, t, labels) {
    const n = labels.length;
    const feeds = {
      x_t: new ort.Tensor("float32", x_t, [n, 1, 28, 28]),
      t: new ort.Tensor("int32", new Int32Array(n).fill(t), [n]),
      y: new ort.Tensor("int32", Int32Array.from(labels), [n]),
    };
    return (await session.run(feeds)).v.data;
  }

  const predict = (labels, w) => async (x_t, t) => {
    if (w === 1) return call(x_t, t, labels);
    const both = new Float32Array(2 * x_t.length);
    both.set(x_t);
    both.set(x_t, x_t.length);
    const v = await call(both, t, [...labels, ...labels.map(() => config.no_label)]);
    return x_t.map((_, k) => w * v[k] + (1 - w) * v[k + x_t.length]); // classifier-free guidance
  };
  return { config, predict };
}

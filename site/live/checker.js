// The checker as a function of the page: ask(name, ...args), in a worker that is started when it is first needed.
const LONGEST = 60_000; // milliseconds for one answer; then Python is started afresh

let worker = null, asked = new Map(), last = 0, ready = null;

function start(progress) {
  worker = new Worker(new URL("./check-worker.js", import.meta.url), { type: "module" });
  ready = new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => {
      if (data.failed) return reject(new Error(data.failed));
      if (data.of) {
        progress(data.done / data.of, data.words);
        if (data.done === data.of) resolve();
        return;
      }
      const { resolve: give, reject: refuse } = asked.get(data.id);
      asked.delete(data.id);
      data.error ? refuse(new Error(data.error)) : give(data.value);
    };
    worker.onerror = (event) => reject(new Error(event.message || "the worker did not start"));
  });
}

function stop() {
  worker.terminate();
  worker = ready = null;
  asked = new Map();
}

export async function ask(progress, name, ...args) {
  if (worker === null) start(progress);
  await ready.catch((error) => {
    stop();
    throw error;
  });
  const id = last++;
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      stop();
      reject(new Error("that took more than a minute, so it was stopped: try shorter steps"));
    }, LONGEST);
    const settled = (end) => (value) => (clearTimeout(late), end(value));
    asked.set(id, { resolve: settled(resolve), reject: settled(reject) });
    worker.postMessage({ id, name, args });
  });
}

// The tasks of a worker: one after the other, because the networks share their memory.

// Returns the function that calls a task. `ended()` hears that the worker was given up.
export function tasksOf(worker, ended) {
  const waiting = []; // the first one is at work
  let over = false;

  // Once `signal` is aborted, a task that waits is left out. One at work cannot be interrupted, so its worker ends.
  function call(task, options = {}, { transferred = [], signal } = {}) {
    return new Promise((resolve, reject) => {
      if (over) throw new Error("The engine was stopped. Try again.");
      signal?.throwIfAborted();
      const job = { message: { task, ...options }, transferred, resolve, reject };
      signal?.addEventListener("abort", () => drop(job, signal.reason));
      if (waiting.push(job) === 1) send();
    });
  }

  function send() {
    if (waiting.length) worker.postMessage(waiting[0].message, waiting[0].transferred);
  }

  function settle({ result, error }) {
    const { resolve, reject } = waiting.shift();
    if (error) reject(new Error(error));
    else resolve(result);
    send();
  }

  function drop(job, reason) {
    const place = waiting.indexOf(job);
    if (place === 0) end(reason);
    else if (place > 0) waiting.splice(place, 1)[0].reject(reason);
  }

  function end(reason) {
    over = true;
    worker.terminate();
    ended();
    for (const { reject } of waiting.splice(0)) reject(reason);
  }

  worker.addEventListener("message", ({ data }) => { if (!data.told) settle(data); });
  worker.addEventListener("error", () => end(new Error("The engine has failed. Try again, or reload this page.")));
  return call;
}

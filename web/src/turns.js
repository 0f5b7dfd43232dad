// Returns the function that runs one job after the other.
export function turns() {
  let last = Promise.resolve();
  return (job) => (last = last.then(job, job));
}

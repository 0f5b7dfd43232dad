// Where faces are found: the engine in use, and the choice of it where there are two.
const fieldset = document.getElementById("engines");

// `other` is a promise of a second engine, or of null.
export function choiceOf(first, other) {
  const engines = [first];
  let current = first;
  let tell = () => {};

  function choose(kind) {
    current = engines.find((engine) => engine.kind === kind);
    for (const part of document.querySelectorAll("[data-engine]")) part.hidden = part.dataset.engine !== kind;
    tell();
  }

  function offer(engine) {
    if (engine) engines.push(engine);
    fieldset.hidden = engines.length < 2;
  }

  if (first.kind !== "server") for (const part of document.querySelectorAll("[data-server]")) part.remove();
  fieldset.addEventListener("change", (event) => choose(event.target.value));
  choose(first.kind);
  other.then(offer);
  return { engine: () => current, onChange: (listener) => { tell = listener; } };
}

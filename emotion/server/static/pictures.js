// The row of small images from which a person chooses one, where several were given.
import { element } from "./elements.js";

export function listPictures(list, pictures, chosen, choose) {
  list.hidden = pictures.length < 2;
  if (list.hidden) return list.replaceChildren();
  while (list.children.length > pictures.length) list.lastChild.remove();
  pictures.forEach((picture, index) => {
    const button = list.children[index] ?? list.appendChild(buttonOf(picture, choose));
    button.setAttribute("aria-pressed", String(picture === chosen));
  });
}

function buttonOf(picture, choose) {
  const { file, answer } = picture;
  const text = answer.error ? "cannot be read" : `${answer.faces.length} ${answer.faces.length === 1 ? "face" : "faces"}`;
  const words = element("span", { class: answer.error ? "problem" : "" }, element("b", {}, file.name), text);
  const small = answer.error ? [] : [smallOf(file)];
  const button = element("button", { type: "button", title: answer.error ?? file.name }, ...small, words);
  button.disabled = Boolean(answer.error);
  button.addEventListener("click", () => choose(picture));
  return button;
}

function smallOf(file) {
  const small = element("img", { alt: "" });
  small.src = URL.createObjectURL(file);
  small.addEventListener("load", () => URL.revokeObjectURL(small.src));
  small.addEventListener("error", () => { URL.revokeObjectURL(small.src); small.remove(); }); // the server reads more
  return small;
}

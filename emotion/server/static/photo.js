// The tab Photo: one picture, chosen, dropped, pasted or taken, and the faces in it.
import { closeCamera, grab, openCamera } from "./camera.js";
import { drawBoxes, listFaces } from "./faces.js";

const at = (id) => document.getElementById(id);
const image = at("photo-image");
const video = at("snapshot-video");
const name = (face, index) => `${index + 1}`;

let model = null;
let chosen = null;
let answered = null;
let asking = new AbortController();

function say(text, problem = false) {
  at("photo-status").textContent = text;
  at("photo-status").classList.toggle("problem", problem);
}

async function ask(file, format, signal) {
  const form = new FormData();
  form.append("file", file, file.name);
  const answer = await fetch(`api/predict?format=${format}`, { method: "POST", body: form, signal });
  if (answer.ok) return answer;
  const fault = await answer.json().catch(() => null);
  throw new Error(fault?.detail ?? `The server answered ${answer.status}.`);
}

async function show(file) {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  at("photo-result").hidden = true;
  say(`Looking at ${file.name} ...`);
  try {
    const { colours, limits } = await model;
    if (file.size > limits.bytes) throw new Error(`Choose a picture of at most ${limits.bytes / 1e6} MB.`);
    const answer = await (await ask(file, "json", signal)).json();
    [chosen, answered] = [file, answer];
    display(file, answer, colours);
  } catch (error) {
    if (!signal.aborted) say(problemOf(error), true);
  }
}

// A fetch that finds no server fails with a TypeError whose text differs from browser to browser.
const problemOf = (error) =>
  error instanceof TypeError ? "The server does not answer. Is it still running?" : error.message;

function display(file, picture, colours) {
  URL.revokeObjectURL(image.src);
  at("photo-stage").classList.remove("unseen");
  image.src = URL.createObjectURL(file);
  drawBoxes(at("photo-boxes"), picture.faces, picture, colours, name);
  listFaces(at("photo-faces"), picture.faces, colours, name);
  at("photo-result").hidden = false;
  const count = picture.faces.length;
  say(`${picture.source}: ${count === 0 ? "no face found" : count === 1 ? "1 face" : `${count} faces`}`);
}

async function download(format) {
  try {
    // The csv comes from the server, so that it is written in one place only.
    const content = format === "json" ? JSON.stringify(answered, null, 2) : await (await ask(chosen, format)).text();
    save(content, `${chosen.name.replace(/\.[^.]*$/, "")}.${format}`);
  } catch (error) {
    say(problemOf(error), true);
  }
}

function save(content, fileName) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content]));
  link.download = fileName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href));
}

async function useCamera() {
  if (!at("snapshot").hidden) return;
  at("snapshot").hidden = false;
  try {
    await openCamera(video);
    // Someone who cancelled or left the tab meanwhile did not mean it any more.
    if (at("snapshot").hidden) closeCamera(video);
    else at("take").focus();
  } catch (error) {
    if (!at("snapshot").hidden) say(error.message, true);
    leaveCamera();
  }
}

function leaveCamera() {
  closeCamera(video);
  at("snapshot").hidden = true;
}

async function take() {
  const blob = await grab(video, document.createElement("canvas"), 4096, 0.95);
  leaveCamera();
  if (blob) await show(new File([blob], "snapshot.jpg", { type: blob.type }));
}

function listenForPictures() {
  const drop = at("drop");
  const take = (event, files) => {
    if (at("photo").hidden || !files?.length) return;
    event.preventDefault();
    show(files[0]);
  };
  at("file").addEventListener("change", (event) => {
    take(event, event.target.files);
    event.target.value = ""; // so that the same file may be chosen again
  });
  addEventListener("paste", (event) => take(event, event.clipboardData.files));
  // On the whole window: a picture that misses the frame would otherwise replace the page.
  addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take(event, event.dataTransfer.files);
  });
}

// Returns what is to be done when a person leaves the tab.
export function startPhoto(facts) {
  model = facts;
  at("choose").addEventListener("click", () => at("file").click());
  at("use-camera").addEventListener("click", useCamera);
  at("take").addEventListener("click", take);
  at("cancel").addEventListener("click", leaveCamera);
  at("download-json").addEventListener("click", () => download("json"));
  at("download-csv").addEventListener("click", () => download("csv"));
  // Some formats the server reads and the browser does not, such as TIFF.
  image.addEventListener("error", () => at("photo-stage").classList.add("unseen"));
  listenForPictures();
  return leaveCamera;
}

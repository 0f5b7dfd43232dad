// The tab Photo: one image, chosen, dropped, pasted or taken, and the faces in it.
import { closeCamera, grab, openCamera } from "./camera.js";
import { viewOf } from "./view.js";

const at = (id) => document.getElementById(id);
const image = at("photo-image");
const video = at("snapshot-video");
const showFaces = viewOf("photo", (face, index) => `${index + 1}`);

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
  say(`Looking for faces in ${file.name} ...`);
  try {
    const { colours, limits } = await model;
    if (file.size > limits.bytes) throw new Error(`Choose an image of at most ${limits.bytes / 1e6} MB.`);
    const answer = await (await ask(file, "json", signal)).json();
    [chosen, answered] = [file, answer];
    display(file, answer, colours);
  } catch (error) {
    if (!signal.aborted) say(problemOf(error), true);
  }
}

// Without a server fetch fails with a TypeError; its text differs between browsers.
const problemOf = (error) =>
  error instanceof TypeError ? "The server does not answer. Is it still running?" : error.message;

function display(file, found, colours) {
  URL.revokeObjectURL(image.src);
  at("photo-stage").classList.remove("no-preview");
  image.src = URL.createObjectURL(file);
  at("photo-result").hidden = false;
  showFaces(found, colours);
  const count = found.faces.length;
  say(`${found.source}: ${count === 0 ? "no face found" : count === 1 ? "1 face" : `${count} faces`}`);
}

async function download(format) {
  try {
    // The server makes the CSV, so that its layout is defined in one place.
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
    // The person may have cancelled or left the tab in the meantime.
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

function listenForImages() {
  const drop = at("drop");
  const take = (event, files) => {
    if (at("photo").hidden || !files?.length) return;
    event.preventDefault();
    show(files[0]);
  };
  at("file").addEventListener("change", (event) => {
    take(event, event.target.files);
    event.target.value = ""; // so that the same file can be chosen again
  });
  addEventListener("paste", (event) => take(event, event.clipboardData.files));
  // On the whole window, because an image dropped beside the frame would replace the page.
  addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take(event, event.dataTransfer.files);
  });
}

// Returns the function to call when the person leaves the tab.
export function startPhoto(facts) {
  model = facts;
  at("choose").addEventListener("click", () => at("file").click());
  at("use-camera").addEventListener("click", useCamera);
  at("take").addEventListener("click", take);
  at("cancel").addEventListener("click", leaveCamera);
  at("download-json").addEventListener("click", () => download("json"));
  at("download-csv").addEventListener("click", () => download("csv"));
  // The server reads formats that some browsers do not, such as TIFF.
  image.addEventListener("error", () => at("photo-stage").classList.add("no-preview"));
  listenForImages();
  return leaveCamera;
}

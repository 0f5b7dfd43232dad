// The tab Photo: images, chosen, dropped, pasted or taken, and the faces in them.
import { annotate } from "./annotation.js";
import { closeCamera, grab, openCamera } from "./camera.js";
import { csvOf } from "./csv.js";
import { listPictures } from "./pictures.js";
import { viewOf } from "./view.js";

const at = (id) => document.getElementById(id);
const image = at("photo-image");
const video = at("snapshot-video");
const showFaces = viewOf("photo", (face, index) => `${index + 1}`);

let choice = null;
let facts = null; // of the engine that gave the answers
let pictures = []; // { file, answer } of each image, in the order in which they were given
let chosen = null; // the one on show
let asking = new AbortController();

function say(text, problem = false) {
  at("photo-status").textContent = text;
  at("photo-status").classList.toggle("problem", problem);
}

async function show(files) {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  at("photo-result").hidden = true;
  [pictures, chosen] = [[], null];
  list();
  setComplete(false);
  try {
    await readAll(files, signal);
    if (signal.aborted) return;
    setComplete(true);
    sayAll();
  } catch (error) {
    if (!signal.aborted) say(error.message, true);
  }
}

async function readAll(files, signal) {
  const engine = choice.engine();
  say(`Looking for faces in ${files[0].name} ...`);
  facts = await engine.describe();
  await engine.prepare((text) => { if (!signal.aborted) say(text); });
  for (const [index, file] of files.entries()) {
    const place = files.length > 1 ? ` (${index + 1} of ${files.length})` : "";
    if (signal.aborted) return;
    say(`Looking for faces in ${file.name}${place} ...`);
    const answer = await read(engine, file, signal, files.length > 1);
    if (signal.aborted) return;
    pictures.push({ file, answer });
    list();
    if (!chosen && !answer.error) display(pictures.at(-1));
  }
}

// One image that cannot be read is a problem; among several it is an answer with an error.
async function read(engine, file, signal, several) {
  try {
    const { bytes } = facts.limits;
    if (file.size > bytes) throw new Error(`Choose an image of at most ${bytes / 1e6} MB.`);
    return await engine.predict(file, signal);
  } catch (error) {
    if (!several || signal.aborted) throw error;
    return { source: file.name, width: 0, height: 0, detector: null, faces: [], error: error.message };
  }
}

const counted = (count) => count === 0 ? "no face found" : count === 1 ? "1 face" : `${count} faces`;

function sayAll() {
  const faces = pictures.reduce((sum, { answer }) => sum + answer.faces.length, 0);
  const unread = pictures.filter(({ answer }) => answer.error).length;
  const found = unread === pictures.length ? [] : [counted(faces)];
  if (unread) found.push(`${unread} cannot be read`);
  say(`${pictures.length > 1 ? `${pictures.length} images` : pictures[0].answer.source}: ${found.join(", ")}`);
}

function list() {
  listPictures(at("photo-list"), pictures, chosen, display);
}

function display(picture) {
  chosen = picture;
  list();
  URL.revokeObjectURL(image.src);
  setShown(true);
  image.src = URL.createObjectURL(picture.file);
  at("photo-result").hidden = false;
  showFaces(picture.answer, facts.colours);
}

// The server reads formats that some browsers do not, such as TIFF.
function setShown(shown) {
  at("photo-stage").classList.toggle("no-preview", !shown);
  at("download-picture").disabled = !shown;
}

// A file of the first few of several images would look complete.
function setComplete(complete) {
  for (const format of ["json", "csv"]) at(`download-${format}`).disabled = !complete;
}

function download(format) {
  const answers = pictures.map(({ answer }) => answer);
  const json = () => JSON.stringify(answers.length > 1 ? answers : answers[0], null, 2);
  const content = format === "json" ? json() : csvOf(answers, facts.classes);
  save(new Blob([content]), `${answers.length > 1 ? "images" : baseOf(chosen.file)}.${format}`);
}

async function downloadPicture() {
  save(await annotate(image, chosen.answer, facts.colours), `${baseOf(chosen.file)}_faces.png`);
}

const baseOf = (file) => file.name.replace(/\.[^.]*$/, "");

function save(content, fileName) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = fileName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href));
}

async function useCamera() {
  if (!at("snapshot").hidden) return;
  at("snapshot").hidden = false;
  try {
    // The person may cancel or leave the tab in the meantime.
    await openCamera(video, () => !at("snapshot").hidden, failCamera);
    at("take").focus();
  } catch (error) {
    failCamera(error.message);
  }
}

function failCamera(problem) {
  if (!at("snapshot").hidden) say(problem, true);
  leaveCamera();
}

function leaveCamera() {
  closeCamera(video);
  at("snapshot").hidden = true;
}

async function take() {
  const blob = await grab(video, document.createElement("canvas"), 4096, 0.95);
  leaveCamera();
  if (blob) await show([new File([blob], "snapshot.jpg", { type: blob.type })]);
}

function listenForImages() {
  const drop = at("drop");
  const take = (event, files) => {
    if (at("photo").hidden || at("file").disabled || !files?.length) return; // disabled after Exit
    event.preventDefault();
    show([...files]);
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
export function startPhoto(engines) {
  choice = engines;
  at("choose").addEventListener("click", () => at("file").click());
  at("use-camera").addEventListener("click", useCamera);
  at("take").addEventListener("click", take);
  at("cancel").addEventListener("click", leaveCamera);
  at("download-json").addEventListener("click", () => download("json"));
  at("download-csv").addEventListener("click", () => download("csv"));
  at("download-picture").addEventListener("click", downloadPicture);
  image.addEventListener("error", () => setShown(false));
  listenForImages();
  return leaveCamera;
}

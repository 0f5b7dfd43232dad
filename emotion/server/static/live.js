// The tab Live: frames of the camera go out one at a time, faces come back; the next frame waits for the answer.
import { closeCamera, grab, openCamera } from "./camera.js";
import { drawBoxes, listFaces } from "./faces.js";

const EDGE = 640; // longest edge of a frame that is sent, in pixels
const QUALITY = 0.8;
const SPAN = 2000; // milliseconds over which frames are counted

const at = (id) => document.getElementById(id);
const video = at("live-video");
const canvas = document.createElement("canvas");
const name = (face) => `${face.track}`;

let model = null;
let colours = {};
let socket = null;
let times = [];
let ended = false; // the server, by Exit

function say(text, problem = false) {
  // Read aloud at each change, so not at each frame.
  if (at("live-status").textContent !== text) at("live-status").textContent = text;
  at("live-status").classList.toggle("problem", problem);
}

async function start() {
  at("start").disabled = true;
  say("Opening the camera ...");
  try {
    ({ colours } = await model);
    await openCamera(video);
  } catch (error) {
    return stop(error.message);
  }
  // Someone who left the tab or ended the server meanwhile did not mean it any more.
  if (ended || at("live").hidden) return stop();
  connect();
}

function connect() {
  const opened = new WebSocket(new URL("api/live", location.href.replace(/^http/, "ws")));
  socket = opened;
  opened.addEventListener("open", () => {
    at("stop").disabled = false;
    keepFocus("stop");
    at("live-result").hidden = false;
    say("Live.");
    smooth();
    send(opened);
  });
  opened.addEventListener("message", (event) => receive(opened, JSON.parse(event.data)));
  opened.addEventListener("close", (event) => {
    if (socket === opened) stop(event.reason || "The server ended the connection. Start again, or reload this page.");
  });
}

// A button that is disabled loses the focus, and a keyboard its place.
function keepFocus(successor) {
  if ([document.body, at("start"), at("stop")].includes(document.activeElement)) at(successor).focus();
}

async function send(opened) {
  const blob = await grab(video, canvas, EDGE, QUALITY);
  if (opened !== socket || opened.readyState !== WebSocket.OPEN) return;
  if (blob) opened.send(blob);
  else afterFrame(() => send(opened)); // the camera has not given a frame yet
}

function receive(opened, answer) {
  if (opened !== socket || answer.detail) return; // the reason comes again with the closing
  drawBoxes(at("live-boxes"), answer.faces, answer, colours, name, true);
  listFaces(at("live-faces"), answer.faces, colours, name);
  say(answer.faces.length ? "Live." : "Live. No face found.");
  count();
  afterFrame(() => send(opened));
}

function afterFrame(action) {
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(action);
  else requestAnimationFrame(action);
}

function count() {
  const now = performance.now();
  times = [...times.filter((time) => now - time < SPAN), now];
  const span = now - times[0];
  at("fps").textContent = span > 0 ? Math.round((times.length - 1) / span * 1000) : 0;
}

function stop(problem = "") {
  const closing = socket;
  socket = null;
  closing?.close();
  closeCamera(video);
  times = [];
  at("fps").textContent = "0";
  at("live-result").hidden = true;
  if (ended) return; // and Exit has said so
  at("start").disabled = false;
  keepFocus("start");
  at("stop").disabled = true;
  say(problem || "Stopped. The camera is released.", Boolean(problem));
}

function smooth() {
  const seconds = Number(at("smoothing").value);
  at("smoothing-value").textContent = `${seconds.toFixed(1)} s`;
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ smoothing: seconds }));
}

async function exit() {
  if (socket) stop();
  const answer = await fetch("api/exit", { method: "POST" }).catch(() => null);
  if (!answer) return say("The server does not answer; it may have ended already.", true);
  if (!answer.ok) return say((await answer.json()).detail, true);
  ended = true;
  for (const button of document.querySelectorAll("#live button, #photo button")) button.disabled = true;
  say("The server has ended. You can close this page.");
}

// Returns what is to be done when a person leaves the tab.
export function startLive(facts) {
  model = facts;
  at("start").addEventListener("click", start);
  at("stop").addEventListener("click", () => stop());
  at("exit").addEventListener("click", exit);
  at("smoothing").addEventListener("input", smooth);
  addEventListener("pagehide", () => stop());
  return () => { if (socket || video.srcObject) stop(); };
}

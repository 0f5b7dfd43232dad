// The browser's camera: opened only on request, and always released afterwards.
const REASONS = {
  NotAllowedError: "The browser was not allowed to use the camera. Allow it for this page and try again.",
  NotFoundError: "No camera was found. Connect one and try again.",
  NotReadableError: "The camera is used by another program. Close it and try again.",
};

const LOST = "The camera was lost. Connect it, or allow it for this page, and try again.";

// A camera that opens after `wanted()` turned false is closed at once. `lost(problem)` hears that it is gone.
export async function openCamera(video, wanted, lost) {
  if (!navigator.mediaDevices) throw new Error("Browsers allow the camera only on localhost or over https.");
  const stream = await ask();
  if (!wanted()) return release(stream);
  closeCamera(video); // another request may have opened it in the meantime
  video.srcObject = stream;
  stream.getVideoTracks()[0].addEventListener("ended", () => lost(LOST));
  try {
    await video.play();
  } catch (error) {
    if (error.name !== "AbortError") throw error; // AbortError: it was closed or reopened in the meantime
  }
}

async function ask() {
  try {
    const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" };
    return await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
  } catch (error) {
    throw new Error(REASONS[error.name] ?? `The camera could not be opened: ${error.message}`);
  }
}

export function closeCamera(video) {
  if (video.srcObject) release(video.srcObject);
  video.srcObject = null;
}

function release(stream) {
  for (const track of stream.getTracks()) track.stop();
}

// Returns the current frame as a JPEG of at most `edge` pixels per side, or null if there is none yet.
export function grab(video, canvas, edge, quality) {
  const shrink = Math.min(1, edge / Math.max(video.videoWidth, video.videoHeight));
  canvas.width = Math.round(video.videoWidth * shrink);
  canvas.height = Math.round(video.videoHeight * shrink);
  if (!canvas.width || !canvas.height) return Promise.resolve(null);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
}

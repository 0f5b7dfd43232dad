// The browser's camera: opened on request only, and released for good.
const REASONS = {
  NotAllowedError: "The browser was not allowed to use the camera. Allow it for this page and try again.",
  NotFoundError: "No camera was found. Connect one and try again.",
  NotReadableError: "The camera is used by another program. Close it and try again.",
};

export async function openCamera(video) {
  if (!navigator.mediaDevices) throw new Error("Browsers give a page its camera only on localhost or over https.");
  const stream = await ask();
  closeCamera(video); // it may have been opened meanwhile
  video.srcObject = stream;
  try {
    await video.play();
  } catch (error) {
    if (error.name !== "AbortError") throw error; // it was closed or opened again meanwhile
  }
}

async function ask() {
  try {
    const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" };
    return await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
  } catch (error) {
    throw new Error(REASONS[error.name] ?? `The camera cannot be opened: ${error.message}`);
  }
}

export function closeCamera(video) {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}

// The present frame as a JPEG, at most `edge` pixels long; null while there is none.
export function grab(video, canvas, edge, quality) {
  const shrink = Math.min(1, edge / Math.max(video.videoWidth, video.videoHeight));
  canvas.width = Math.round(video.videoWidth * shrink);
  canvas.height = Math.round(video.videoHeight * shrink);
  if (!canvas.width || !canvas.height) return Promise.resolve(null);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
}

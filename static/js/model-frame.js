// Inside the sandboxed frame: shows the model its parent hands over. Asks nobody for anything.
import "../vendor/model-viewer/model-viewer.min.js";

const state = document.getElementById("state");

addEventListener("message", (event) => {
  if (event.source !== parent || !event.data) return;
  if (!event.data.bytes) {
    state.textContent = "This model could not be opened.";
    return;
  }
  const viewer = document.createElement("model-viewer");
  viewer.setAttribute("camera-controls", "");
  viewer.setAttribute("touch-action", "pan-y");
  viewer.setAttribute("shadow-intensity", "0.6");
  viewer.setAttribute("alt", "3D model");
  viewer.addEventListener("load", () => state.remove());
  viewer.addEventListener("error", () => (state.textContent = "This model could not be opened."));
  viewer.src = URL.createObjectURL(new Blob([event.data.bytes], { type: "model/gltf-binary" }));
  document.body.append(viewer);
});
parent.postMessage("ready", "*");

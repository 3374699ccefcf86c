// The library: files dropped or picked are uploaded one by one, then the grid is asked for again.
import { all, ask, one, toast } from "./dom.js";
import { upload } from "./inputs.js";

const form = one("[data-upload]");

async function send(files) {
  let kept = 0;
  for (const file of files) {
    try {
      await upload(file);
      kept += 1;
    } catch (problem) {
      toast(problem.message, "error");
    }
  }
  if (!kept) return;
  one("#grid").innerHTML = await ask(location.href, { headers: { Accept: "text/html", "HX-Request": "true" } });
  globalThis.htmx?.process(one("#grid"));
  toast(kept === 1 ? "One file kept." : `${kept} files kept.`);
}

one("input[type=file]", form).addEventListener("change", (event) => {
  send([...event.target.files]);
  event.target.value = "";
});
addEventListener("dragover", (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());
addEventListener("drop", (event) => {
  if (!event.dataTransfer?.files.length) return;
  event.preventDefault();
  send([...event.dataTransfer.files]);
});
all("noscript").forEach((unused) => unused.remove());

// Pictures or rows in, classes or numbers out: each picture is sent on its own, so that answers come as they are made.
import { at, bars, element, send } from "/page/asking.js";
import { showForm } from "/page/rows.js";

let model;

async function ask(path, file) {
  const form = new FormData();
  form.append("pictures", file, file.name || "picture");
  return send(path, model, { body: form });
}

async function show(file) {
  const section = element("section");
  at("answers").prepend(section);
  section.append(element("h2", file.name || "picture"));
  const row = element("div", "", { class: "answer" });
  section.append(row);
  const pictures = element("div");
  row.append(pictures);
  const url = URL.createObjectURL(file);
  pictures.append(element("img", "", { src: url, alt: "the picture" }));
  const words = element("div", "asking …");
  row.append(words);
  try {
    const { predictions: [found], model: answered } = await ask("/predict?top=5", file);
    words.textContent = "";
    const said = found.abstained ? "don't know" : found.label;
    words.append(element("p", `${said}`, { class: "said" }), bars(found.top));
    words.append(element("p", `${answered.name}, version ${answered.version}`, { class: "quiet" }));
    if (at("why").checked) {
      const { explanations: [why] } = await ask("/explain", file);
      pictures.append(element("img", "", {
        src: `data:image/png;base64,${why.overlay}`,
        alt: `where the network looks for ${why.target_name}: red speaks for it, blue against it`,
      }));
    }
  } catch (error) {
    words.textContent = error.message;
  } finally {
    URL.revokeObjectURL(url);
  }
}

async function take(files) {
  const chosen = [...files];
  at("status").textContent = `${chosen.length} picture${chosen.length === 1 ? "" : "s"} …`;
  for (const file of chosen) await show(file);
  at("status").textContent = "";
}

function listed(names, most) {
  return names.slice(0, most).join(", ") + (names.length > most ? " …" : "");
}

function choose(chosen) {
  model = chosen;
  const images = model.examples === "images";
  at("pictures").hidden = !images;
  at("rows").hidden = images;
  at("answers").replaceChildren();
  at("question").textContent = images ? "What is on this picture?" : `What is ${listed(model.target, 3)}?`;
  const classes = listed(model.classes, 12);
  at("model").textContent = `${model.network} (${model.name})${classes ? `: ${classes}` : ""}`;
  if (!images) showForm(at("rows"), model);
}

at("files").addEventListener("change", (event) => take(event.target.files));
for (const name of ["dragover", "dragleave", "drop"]) {
  at("drop").addEventListener(name, (event) => {
    event.preventDefault();
    at("drop").classList.toggle("over", name === "dragover");
    if (name === "drop") take(event.dataTransfer.files);
  });
}
const { models } = await (await fetch("/models")).json();
for (const [place, each] of models.entries()) at("chosen").append(element("option", each.name, { value: place }));
at("chosen").addEventListener("change", (event) => choose(models[event.target.value]));
at("which").hidden = models.length === 1;
choose(models[0]);

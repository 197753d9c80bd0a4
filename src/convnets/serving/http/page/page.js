// Pictures in, classes out: each picture is sent on its own, so that answers come as they are made.
const at = (id) => document.getElementById(id);

async function ask(path, file) {
  const form = new FormData();
  form.append("pictures", file, file.name || "picture");
  const answer = await fetch(path, { method: "POST", body: form });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error);
  return found;
}

function element(kind, words = "", attributes = {}) {
  const made = document.createElement(kind);
  made.textContent = words;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
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
    const { predictions: [found], model } = await ask("/predict?top=5", file);
    words.textContent = "";
    const said = found.abstained ? "don't know" : found.label;
    words.append(element("p", `${said}`, { class: "said" }));
    const list = element("ol");
    for (const each of found.top) {
      const item = element("li");
      item.append(element("progress", "", { max: 1, value: each.probability, "aria-hidden": "true" }));
      item.append(element("span", each.class), element("span", `${(100 * each.probability).toFixed(1)} %`));
      list.append(item);
    }
    words.append(list, element("p", `${model.name}, version ${model.version}`, { class: "quiet" }));
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

at("files").addEventListener("change", (event) => take(event.target.files));
for (const name of ["dragover", "dragleave", "drop"]) {
  at("drop").addEventListener(name, (event) => {
    event.preventDefault();
    at("drop").classList.toggle("over", name === "dragover");
    if (name === "drop") take(event.dataTransfer.files);
  });
}
const { models } = await (await fetch("/models")).json();
at("model").textContent = models
  .map((model) => `${model.network} (${model.name}): ${model.classes.slice(0, 12).join(", ")}${model.classes.length > 12 ? " …" : ""}`)
  .join("; ");

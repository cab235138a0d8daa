// Draws what `Segmenter` returns. gradio gives `element`, `props` and `watch`.
const VOID = 255; // The id of pixels without data.
const OUTLINE = 0.4; // The share of white, as in keras_seg.visualization.
const RAMP = [
  [68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37],
];
let opacity = 0.5;
let shown = 0; // Counts results: one that comes late is not drawn.

function make(tag, className, parent, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

function percent(share) {
  return share > 0 && share < 0.0005 ? "<0.1 %" : (100 * share).toFixed(1) + " %";
}

async function pixelsOf(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

function along(ramp, position) {
  const x = position * (ramp.length - 1);
  const i = Math.min(Math.floor(x), ramp.length - 2);
  return ramp[i].map((low, c) => low + (x - i) * (ramp[i + 1][c] - low));
}

async function show(value) {
  const number = ++shown;
  const root = element.querySelector(".result");
  if (!value || value.error) {
    root.replaceChildren();
    const text = value
      ? value.error
      : "The result appears here. Point at it, or tap it, to read what is where.";
    const box = make("div", value ? "error" : "empty", root, text);
    if (value) box.setAttribute("role", "alert");
    return;
  }
  const [photo, ids, sure] = await Promise.all([
    pixelsOf(value.photo),
    pixelsOf(value.ids),
    value.confidence && pixelsOf(value.confidence),
  ]);
  if (number === shown) build(root, value, photo, ids, sure);
}

function build(root, value, photo, ids, sure) {
  const { width, height } = photo;
  const classes = [...value.classes];
  classes[VOID] = { id: VOID, name: "no data", color: [0, 0, 0], share: 0 };
  let chosen = null; // A class that stands out.
  let view = "classes";
  root.replaceChildren();

  const stage = make("div", "stage", root);
  const canvas = make("canvas", "", stage);
  canvas.width = width;
  canvas.height = height;
  canvas.setAttribute("role", "img");
  // All of it is in the window, and small ones are enlarged up to twice.
  stage.style.width = `min(${2 * width}px, ${(65 * width) / height}vh)`;
  const context = canvas.getContext("2d");
  const name = make("div", "name", stage);
  name.hidden = true;

  // Black is the background in the colors of PASCAL VOC, and is not painted.
  const painted = classes.map((c) => c.color.some((part) => part > 0));
  const light = classes.map((c) =>
    c.color.map((part) => 255 * OUTLINE + (1 - OUTLINE) * part),
  );
  const gray = new Uint8Array(sure ? width * height : 0);
  for (let i = 0, p = 0; i < gray.length; i++, p += 4) {
    const [r, g, b] = photo.data.subarray(p, p + 3);
    gray[i] = 0.3 * r + 0.6 * g + 0.1 * b;
  }
  const at = (x, y) => ids.data[4 * (y * width + x)];
  const outlined = new Uint8Array(width * height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const id = at(x, y);
      const right = x + 1 < width && at(x + 1, y) !== id;
      const below = y + 1 < height && at(x, y + 1) !== id;
      if (right || below) outlined[i] = 1;
      if (right) outlined[i + 1] = 1;
      if (below) outlined[i + width] = 1;
    }
  }

  function draw() {
    const out = context.createImageData(width, height);
    const colors = Array.from({ length: 256 }, (_, i) => along(RAMP, i / 255));
    for (let i = 0, p = 0; p < out.data.length; i++, p += 4) {
      const id = ids.data[p];
      let color = classes[id].color;
      let weight = painted[id] ? opacity : 0;
      if (view === "confidence") {
        color = colors[sure.data[p]];
        weight = id === VOID ? 0 : opacity;
      } else if (chosen !== null && id !== chosen) {
        color = [255, 255, 255];
        weight = 0.7;
      } else if (outlined[i] && painted[id] && opacity > 0) {
        color = light[id];
        weight = 1;
      }
      for (let c = 0; c < 3; c++) {
        // Beside the ramp's colors those of the photograph would mislead.
        const base = view === "confidence" ? gray[i] : photo.data[p + c];
        out.data[p + c] = (1 - weight) * base + weight * color[c];
      }
      out.data[p + 3] = 255;
    }
    context.putImageData(out, 0, 0);
  }

  const controls = make("div", "controls", root);
  const strength = make("label", "", controls, "Strength of color");
  const slider = make("input", "opacity", strength);
  Object.assign(slider, { type: "range", min: 0, max: 100 });
  slider.value = 100 * opacity;
  slider.setAttribute("aria-label", "Opacity of the colors");
  slider.addEventListener("input", () => {
    opacity = slider.value / 100;
    draw();
  });
  if (sure) {
    const ramp = make("div", "ramp");
    make("span", "", ramp, "unsure");
    make("div", "", ramp);
    make("span", "", ramp, "sure");
    ramp.hidden = true;
    const views = make("div", "views", controls);
    for (const kind of ["classes", "confidence"]) {
      const button = make("button", kind, views, kind);
      button.type = "button";
      button.setAttribute("aria-pressed", kind === view);
      button.addEventListener("click", () => {
        view = kind;
        ramp.hidden = kind === "classes";
        for (const other of views.children) {
          other.setAttribute("aria-pressed", other === button);
        }
        draw();
      });
    }
    controls.append(ramp);
  }
  const [rows, columns] = value.size;
  const mean = sure ? ` · ${percent(value.mean_confidence)} sure on average` : "";
  make("div", "facts", controls, `${value.name} · ${columns} × ${rows} pixels · ${value.seconds} s${mean}`);

  const legend = make("ul", "legend", root);
  const items = new Map();
  const found = classes.filter((c) => c.share > 0);
  found.sort((a, b) => b.share - a.share);
  for (const c of found) {
    const item = make("li", "", legend);
    make("span", "swatch", item).style.background = `rgb(${c.color})`;
    make("span", "label", item, c.name).title = c.name;
    const bar = make("div", "", make("div", "bar", item));
    bar.style.width = `${100 * c.share}%`;
    make("span", "share", item, percent(c.share));
    item.addEventListener("mouseenter", () => { choose(c.id); draw(); });
    item.addEventListener("mouseleave", () => { choose(null); draw(); });
    items.set(c.id, item);
  }
  canvas.setAttribute(
    "aria-label",
    found.map((c) => `${c.name} ${percent(c.share)}`).join(", "),
  );

  function choose(id) {
    chosen = id;
    mark(id);
  }
  function mark(id) {
    for (const [key, item] of items) item.classList.toggle("on", key === id);
  }

  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    const left = event.clientX - box.left;
    const top = event.clientY - box.top;
    const x = Math.min(width - 1, Math.floor((left / box.width) * width));
    const y = Math.min(height - 1, Math.floor((top / box.height) * height));
    if (x < 0 || y < 0) return;
    const id = at(x, y);
    const p = sure && id !== VOID && percent(sure.data[4 * (y * width + x)] / 255);
    name.textContent = classes[id].name + (p ? ` · ${p}` : "");
    name.hidden = false;
    // At the other side of the pointer near the right and the lower border.
    const isRight = left + 16 + name.offsetWidth > box.width;
    const isLow = top + 16 + name.offsetHeight > box.height;
    name.style.left = `${Math.max(0, isRight ? left - 8 - name.offsetWidth : left + 16)}px`;
    name.style.top = `${Math.max(0, isLow ? top - 8 - name.offsetHeight : top + 16)}px`;
    mark(id);
  };
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
  canvas.addEventListener("pointerleave", (event) => {
    // A finger leaves at once: its name stays.
    if (event.pointerType === "touch") return;
    name.hidden = true;
    mark(null);
  });
  draw();
  // On a phone the result is below the options.
  if (stage.getBoundingClientRect().top > 0.7 * window.innerHeight) {
    root.scrollIntoView({ behavior: "smooth", block: "start" });
  }
}

watch("value", () => show(props.value));
show(props.value);

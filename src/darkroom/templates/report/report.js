// Pictures that stand in the page are taken from it, all others from the album: each is kept once.
(() => {
  const album = JSON.parse(document.getElementById("album").textContent);
  const sources = album.images.map((image) => image.uri);
  for (const picture of document.querySelectorAll("img[data-picture]"))
    sources[picture.dataset.picture] = picture.src;

  // Names of classes and files are only ever set as text.
  const element = (tag, kind, text) => {
    const made = document.createElement(tag);
    made.className = kind;
    made.textContent = text;
    return made;
  };

  const card = (number) => {
    const image = album.images[number];
    const item = element("li", `is-${image.state}`, "");
    const picture = element("img", "picture", "");
    picture.src = sources[number];
    picture.alt = image.caption;
    item.append(
      picture,
      element("p", "told", image.caption),
      element("p", "quiet", image.note),
      element("p", "quiet file", image.name),
    );
    return item;
  };

  for (const hidden of document.querySelectorAll(".scripted, .choose")) hidden.hidden = false;

  // A cell opens its images; Escape closes them, and the focus goes back to the cell.
  const dialog = document.getElementById("cell");
  for (const button of document.querySelectorAll("button[data-cell]")) {
    const cell = album.cells[button.dataset.cell];
    if (!cell) continue;
    button.disabled = false;
    button.addEventListener("click", () => {
      dialog.querySelector("h2").textContent = cell.title;
      dialog.querySelector("#cell-told").textContent = cell.told;
      dialog.querySelector("ul").replaceChildren(...cell.images.map(card));
      dialog.showModal();
    });
  }
  dialog?.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.className === "close") dialog.close();
  });

  // The matrix is one stop of the tabulator; arrow keys move within it, past empty cells.
  const matrix = document.getElementById("matrix");
  if (matrix) {
    const rows = [...matrix.tBodies[0].rows].map((row) =>
      [...row.querySelectorAll("td")].map((cell) => cell.querySelector("button:enabled")));
    const buttons = rows.flat().filter(Boolean);
    for (const button of buttons) button.tabIndex = -1;
    if (buttons.length) buttons[0].tabIndex = 0;
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    matrix.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      const from = event.target.closest("button");
      if (!step || !from) return;
      event.preventDefault();
      let row = rows.findIndex((cells) => cells.includes(from));
      let column = rows[row].indexOf(from);
      do {
        row += step[0];
        column += step[1];
      } while (rows[row] && column in rows[row] && !rows[row][column]);
      const to = rows[row]?.[column];
      if (!to) return;
      from.tabIndex = -1;
      to.tabIndex = 0;
      to.focus();
    });
  }

  // The pictures of one class; those of all classes are the ones that the page came with.
  const choice = document.getElementById("of-class");
  const panels = [...document.querySelectorAll(".look")];
  const ofAll = panels.map((panel) => [...panel.querySelector("ul").children]);
  choice?.addEventListener("change", () => {
    panels.forEach((panel, place) => {
      const chosen = album.classes[choice.value]?.[panel.dataset.look] ?? [];
      const cards = choice.value === "" ? ofAll[place] : chosen.map(card);
      panel.querySelector("ul").replaceChildren(...cards);
      const none = panel.querySelector(".none");
      none.hidden = cards.length > 0;
    });
  });
})();

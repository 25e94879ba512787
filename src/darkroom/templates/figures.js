// A figure becomes live where it has the room. `ast` makes Vega interpret its expressions, so
// that the page need not allow `eval`.
addEventListener("load", async () => {
  const specs = JSON.parse(document.getElementById("figures").textContent);
  for (const figure of document.querySelectorAll("figure[data-figure]")) {
    const still = figure.querySelector("img");
    if (still.naturalWidth > 1.3 * figure.clientWidth) continue;
    const live = document.createElement("div");
    const options = { ast: true, actions: false, renderer: "svg" };
    await vegaEmbed(live, specs[figure.dataset.figure], options);
    still.hidden = true;
    figure.append(live);
  }
});

// Before anything is drawn, so that a dark page does not flash white.
(() => {
  const wanted = localStorage.getItem("convnets-theme");
  if (wanted) document.documentElement.dataset.theme = wanted;
})();

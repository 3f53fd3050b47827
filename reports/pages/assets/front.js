// One catalogue at a time; the address says which, so that a link shows the same picture.
function startPicker(picker) {
  const radios = [...picker.querySelectorAll("input")], choices = [...picker.querySelectorAll(".choice")];
  const show = (name) => {
    for (const radio of radios) radio.checked = radio.value === name;
    for (const choice of choices) choice.hidden = choice.id !== name;
  };
  const fromAddress = () => {
    const target = targetOf(location.hash);
    if (!choices.includes(target)) return;
    show(target.id);
    target.scrollIntoView();
  };
  picker.querySelector("fieldset").hidden = false;
  show(radios.find((radio) => radio.checked).value);
  picker.addEventListener("change", (event) => {
    show(event.target.value);
    history.replaceState(null, "", `#${event.target.value}`);
  });
  addEventListener("hashchange", fromAddress);
  fromAddress();
}

document.addEventListener("DOMContentLoaded", () => {
  const picker = document.querySelector(".picker:has(input)");
  if (picker) startPicker(picker);
});

// One thing at a time: the buttons of a live page rest while something works; failed(error) says what went wrong.
export async function busy(work, failed) {
  const buttons = document.querySelectorAll(".live button");
  buttons.forEach((button) => (button.disabled = true));
  try {
    await work();
  } catch (error) {
    await failed(error);
  } finally {
    buttons.forEach((button) => (button.disabled = false));
  }
}

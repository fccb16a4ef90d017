const element = (id) => document.getElementById(id);
element("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const user = {
    reset_password_token: new URLSearchParams(location.search).get("reset_password_token") ?? "",
    password: element("password").value,
    password_confirmation: element("again").value,
    revoke_tokens: element("revoke").checked,
  };
  const answer = await fetch("/v1/users/password", { method: "PUT", body: JSON.stringify({ user }) });
  const said = await answer.json();
  const wrong = Object.entries(said.errors ?? {}).map(([field, texts]) => `${field} ${texts.join(", ")}`);
  element("said").textContent = said.message ?? said.error ?? wrong.join("; ");
  if (answer.ok) element("form").remove();
});

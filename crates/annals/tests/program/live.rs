//! Following a timeline while the program is killed, restarted and stopped.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::running::{OPERATOR, Running, client};

/// A stream of lines, read as they come.
struct Lines {
    response: reqwest::Response,
    text: String,
    whole: VecDeque<Value>,
}

impl Lines {
    async fn follow(url: &str, token: &str, after: u64) -> Self {
        let request = client().get(format!("{url}/v1/events/stream?after={after}"));
        let response =
            request.bearer_auth(token).header("accept", "application/x-ndjson").send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self { response, text: String::new(), whole: VecDeque::new() }
    }

    /// Returns the next line; `None` if the stream has ended or broken off.
    async fn next(&mut self) -> Option<Value> {
        while self.whole.is_empty() {
            let bytes = self.response.chunk().await.ok()??;
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
            let end = self.text.rfind('\n').map_or(0, |end| end + 1);
            let rest = self.text.split_off(end);
            let whole = std::mem::replace(&mut self.text, rest);
            self.whole.extend(whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        }
        self.whole.pop_front()
    }

    /// Returns the next event, with its position.
    async fn next_event(&mut self) -> (u64, String) {
        loop {
            let line = self.next().await.expect("the stream goes on");
            if let Some(id) = line["id"].as_str() {
                return (line["position"].as_u64().unwrap(), id.to_owned());
            }
        }
    }
}

#[tokio::test]
async fn a_stream_goes_on_after_a_kill_and_ends_when_the_program_stops() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let client = client();
    let mut running = Running::serve(&store);
    let user = json!({ "user": { "username": "jane", "email": "jane@example.com" } });
    let registered = client.post(format!("{}/v1/users", running.url)).bearer_auth(OPERATOR).json(&user);
    let registered: Value = registered.send().await.unwrap().json().await.unwrap();
    let token = registered["token"]["token"].as_str().or(registered["token"].as_str()).unwrap().to_owned();

    let (mut position, mut received) = (0, Vec::new());
    for round in 0..3 {
        let mut lines = Lines::follow(&running.url, &token, position).await;
        for number in 0..3 {
            let app = json!({ "app": { "name": format!("app-{round}-{number}") } });
            let created = client.post(format!("{}/v1/apps", running.url)).bearer_auth(&token).json(&app);
            assert_eq!(created.send().await.unwrap().status(), 201);
            // The last event of a round is recorded, and not received before the program dies.
            if number < 2 || round == 2 {
                let (at, id) = lines.next_event().await;
                assert_eq!(at, position + 1);
                position = at;
                received.push(id);
            }
            if round > 0 && number == 0 {
                let (at, id) = lines.next_event().await;
                position = at;
                received.push(id);
            }
        }
        if round == 2 {
            let (stopped, ended) = tokio::join!(tokio::task::spawn_blocking(move || running.stop()), async {
                while lines.next().await.is_some() {}
            });
            assert!(stopped.unwrap().success());
            let () = ended;
            break;
        }
        running.kill();
        running = Running::serve(&store);
    }

    let running = Running::serve(&store);
    let url = format!("{}/v1/events?per_page=100", running.url);
    let all: Value = client.get(url).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
    let mut all: Vec<_> = all["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect();
    all.reverse();
    assert_eq!(received, all);
}

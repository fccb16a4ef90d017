//! Uploading source archives, deploying them, and what becomes of them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use annals_server::Config;
use annals_service::{ArchiveId, ArchiveSettings, Clock as _, Permission};
use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::json;

use crate::harness::{Answer, OPERATOR, TestService};

/// A service with a directory for archives of a mebibyte, an app of jane's, and her token.
struct World {
    service: TestService,
    jane: String,
    directory: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let archives = ArchiveSettings { directory: directory.path().join("archives"), bytes_max: 1 << 20 };
        let config = Config { archives: Some(archives), ..Config::default() };
        let mut service = TestService::start_with(config).await;
        let jane = service.register("jane", None).await;
        service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await;
        Self { service, jane, directory }
    }

    /// Returns the paths to upload and to download a new archive.
    async fn source(&mut self) -> [String; 2] {
        let created = self.service.post("/v1/sources", &self.jane, "{}").await;
        assert_eq!(created.status, StatusCode::CREATED, "{}", created.text());
        let source = created.json()["source"].clone();
        ["upload_url", "download_url"].map(|url| {
            source[url].as_str().unwrap().strip_prefix("http://127.0.0.1:8080").unwrap().to_owned()
        })
    }

    async fn put(&self, path: &str, archive: impl Into<Body>) -> Answer {
        let request = Request::builder().method(Method::PUT).uri(path);
        self.service
            .send(request.header("content-type", "application/x-gzip").body(archive.into()).unwrap())
            .await
    }

    /// Deploys an archive, and returns the path of the deployment.
    async fn deploy(&mut self, download: &str) -> String {
        let url = format!("http://127.0.0.1:8080{download}");
        let body = json!({ "deployment": { "source_url": url } }).to_string();
        let deployed = self.service.post("/v1/apps/my-app/deployments", &self.jane, &body).await;
        assert_eq!(deployed.status, StatusCode::CREATED, "{}", deployed.text());
        assert!(deployed.json()["deployment"].get("source_url").is_none());
        format!("/v1/apps/my-app/deployments/{}", deployed.json()["deployment"]["id"].as_str().unwrap())
    }

    fn files(&self) -> Vec<PathBuf> {
        let found = std::fs::read_dir(self.directory.path().join("archives"));
        found.into_iter().flatten().map(|found| found.unwrap().path()).collect()
    }

    /// Says that a file was written now, by the test's clock.
    fn touch(&self, file: &Path) {
        let now = Duration::from_millis(self.service.clock.now().as_millis());
        let file = File::options().write(true).open(file).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + now).unwrap();
    }

    async fn removed(&self) -> usize {
        self.service.state.service().remove_old_archives().await.unwrap()
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn an_archive_is_uploaded_once_and_downloaded_by_the_builder() {
    let mut world = World::new().await;
    let [upload, download] = world.source().await;
    let missing = world.service.get(&download, "").await;
    assert_eq!(
        (missing.status, missing.json()["resource"].clone()),
        (StatusCode::NOT_FOUND, json!("source"))
    );
    let archive: Vec<u8> = (0..600_000_u32).map(|number| b'a' + (number % 26) as u8).collect();
    let uploaded = world.put(&upload, archive.clone()).await;
    assert_eq!((uploaded.status, uploaded.json()), (StatusCode::OK, json!({ "uploaded": 600_000 })));
    let again = world.put(&upload, "other").await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text());

    let deployment = world.deploy(&download).await;
    // Only the builder, who has the operator token, learns the address.
    let shown = world.service.get(&deployment, &world.jane).await;
    assert!(!shown.text().contains("source_url"), "{}", shown.text());
    let shown = world.service.get(&deployment, OPERATOR).await.json();
    let url = shown["deployment"]["source_url"].as_str().unwrap().to_owned();
    assert!(url.ends_with(&download));
    let downloaded = world.service.get(&download, "").await;
    assert_eq!(downloaded.status, StatusCode::OK);
    assert_eq!(downloaded.headers["content-length"], "600000");
    assert!(downloaded.body == archive);
    let event = world.service.get("/v1/apps/my-app/events?per_page=1", &world.jane).await;
    assert!(!event.text().contains("/v1/sources/"), "{}", event.text());
}

#[tokio::test]
async fn addresses_are_for_one_purpose_and_do_not_last() {
    let mut world = World::new().await;
    let [upload, download] = world.source().await;
    let query = |path: &str| path.split_once('?').unwrap().1.to_owned();
    let path = upload.split_once('?').unwrap().0.to_owned();
    for bad in [
        path.clone(),
        format!("{path}?{}", query(&download)),
        upload.replace("expires=1", "expires=2"),
        format!("{}0", &upload[..upload.len() - 1]),
        upload.replace("/v1/sources/", "/v1/sources/0"),
        "/v1/sources/../archive".to_owned(),
        "/v1/sources/%2e%2e%2fstore/archive?expires=1&proof=1".to_owned(),
    ] {
        let refused = world.put(&bad, "archive").await;
        if bad != upload {
            assert_eq!(refused.status, StatusCode::NOT_FOUND, "{bad}: {}", refused.text());
        }
    }
    assert!(world.files().is_empty());
    world.service.clock.advance(Duration::from_secs(60 * 60));
    assert_eq!(world.put(&upload, "archive").await.status, StatusCode::NOT_FOUND);
    let [upload, download] = world.source().await;
    assert_eq!(world.put(&upload, "archive").await.status, StatusCode::OK);
    world.service.clock.advance(6 * DAY);
    assert_eq!(world.service.get(&download, "").await.status, StatusCode::OK);
    world.service.clock.advance(DAY);
    assert_eq!(world.service.get(&download, "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_arrives_is_bounded_and_leaves_nothing_if_it_is_refused() {
    let mut world = World::new().await;
    let [upload, _] = world.source().await;
    let too_large = world.put(&upload, vec![0; (1 << 20) + 1]).await;
    assert_eq!(too_large.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(too_large.json()["error"], "the body must not be longer than 1048576 bytes");
    let parts = futures_util::stream::iter((0..17).map(|_| Ok::<_, std::io::Error>(vec![0; 1 << 16])));
    assert_eq!(world.put(&upload, Body::from_stream(parts)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let broken = futures_util::stream::iter([Ok(vec![0; 9]), Err(std::io::Error::other("gone"))]);
    assert_eq!(world.put(&upload, Body::from_stream(broken)).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.put(&upload, "").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(world.files().is_empty());
    // After all that, the address is as good as new.
    assert_eq!(world.put(&upload, vec![0; 1 << 20]).await.status, StatusCode::OK);
    for _ in 0..19 {
        let [upload, _] = world.source().await;
        assert_eq!(world.put(&upload, "archive").await.status, StatusCode::OK);
    }
    let full = world.service.post("/v1/sources", &world.jane, "").await;
    assert_eq!(full.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(world.service.post("/v1/sources", "", "").await.status, StatusCode::UNAUTHORIZED);
    let mut without = TestService::start().await;
    let jane = without.register("jane", None).await;
    let refused = without.post("/v1/sources", &jane, "").await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    assert!(refused.text().contains("annals does not offer uploads"), "{}", refused.text());
}

#[tokio::test]
async fn an_archive_is_removed_a_day_after_its_deployment_ended() {
    let mut world = World::new().await;
    let [upload, _] = world.source().await;
    assert_eq!(world.removed().await, 0);
    world.put(&upload, "never deployed").await;
    let never_deployed = world.files().remove(0);
    world.touch(&never_deployed);
    let [upload, download] = world.source().await;
    world.put(&upload, "deployed").await;
    let deployed = world.files().into_iter().find(|file| *file != never_deployed).unwrap();
    world.touch(&deployed);
    let left_over = never_deployed.with_extension("part");
    std::fs::write(&left_over, "torn").unwrap();
    world.touch(&left_over);
    let strange = never_deployed.with_file_name("readme.txt");
    std::fs::write(&strange, "not an archive").unwrap();
    world.touch(&strange);
    let deployment = world.deploy(&download).await;

    world.service.clock.advance(DAY - Duration::from_secs(1));
    assert_eq!(world.removed().await, 0);
    world.service.clock.advance(Duration::from_secs(1));
    assert_eq!(world.removed().await, 2);
    assert!(deployed.exists() && strange.exists() && !never_deployed.exists() && !left_over.exists());
    // It is under way, however long that takes.
    world.service.clock.advance(3 * DAY);
    assert_eq!(world.removed().await, 0);
    let ended = r#"{"deployment":{"status":"success"}}"#;
    world.service.play("PATCH", &deployment, OPERATOR, "", ended).await;
    world.service.clock.advance(DAY - Duration::from_secs(1));
    assert_eq!(world.removed().await, 0);
    world.service.clock.advance(Duration::from_secs(1));
    assert_eq!(world.removed().await, 1);
    assert!(!deployed.exists());

    // What else the store has of the archive goes with the deployment.
    let import = r#"{"deployment":{"status":"success"}}"#;
    for _ in 0..100 {
        let imported = world.service.post("/v1/apps/my-app/deployments", OPERATOR, import).await;
        assert_eq!(imported.status, StatusCode::CREATED, "{}", imported.text());
    }
    assert_eq!(world.service.get(&deployment, OPERATOR).await.status, StatusCode::NOT_FOUND);
    let store = world.service.end().await.open_portable().await;
    let checked = annals_store::check(&*store, true, |_| {}).await.unwrap();
    assert_eq!(checked.findings, Vec::<String>::new());
}

#[tokio::test]
async fn uploads_are_few_at_a_time_and_a_failing_disk_is_told_of() {
    let mut world = World::new().await;
    let mut under_way = Vec::new();
    for _ in 0..16 {
        let [upload, _] = world.source().await;
        let (path, query) = upload.split_once('?').unwrap();
        let id = ArchiveId::read(path.split('/').nth(3).unwrap()).unwrap();
        let (expires, proof) = query.split_once('&').unwrap();
        let value = |part: &str| part.split_once('=').unwrap().1.to_owned();
        let permission = Permission { expires: value(expires).parse().unwrap(), proof: value(proof) };
        under_way.push(world.service.state.service().begin_upload(&id, &permission).await.unwrap());
        let twice = world.service.state.service().begin_upload(&id, &permission).await;
        assert!(twice.is_err());
    }
    let [upload, _] = world.source().await;
    assert_eq!(world.put(&upload, "archive").await.status, StatusCode::SERVICE_UNAVAILABLE);
    under_way.clear();
    assert!(world.files().is_empty());
    assert_eq!(world.put(&upload, "archive").await.status, StatusCode::OK);

    let [upload, _] = world.source().await;
    std::fs::remove_dir_all(world.directory.path().join("archives")).unwrap();
    std::fs::write(world.directory.path().join("archives"), "no directory").unwrap();
    let failed = world.put(&upload, "archive").await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE);
    let path = world.directory.path().to_str().unwrap();
    assert!(!failed.text().contains(path), "{}", failed.text());
    assert!(world.service.state.service().remove_old_archives().await.is_err());
}

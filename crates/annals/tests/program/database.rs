//! PostgreSQL servers that a test can restart, fill up, or restrict to encrypted connections.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use annals_testing::TestDatabase;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;

use super::running::{OPERATOR, Running, client, get, serve};

/// A private PostgreSQL server.
pub(crate) struct Server {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) url: String,
}

impl Server {
    /// Starts a server with these settings.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // The server may run as another user.
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let path = directory.path().display().to_string();
        let url = Self::control(&[&["start", &path, "fsync=off"], settings].concat());
        Self { directory, url }
    }

    fn control(arguments: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/postgres");
        let output = Command::new(script).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Stops the server immediately, as a crash would, and starts it again.
    pub(crate) fn restart(&self) {
        let directory = self.directory.path().display().to_string();
        Self::control(&["stop", &directory, "immediate"]);
        assert_eq!(Self::control(&["start", &directory]), self.url);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        Self::control(&["stop", &self.directory.path().display().to_string(), "immediate"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_encrypted_and_the_certificate_is_verified() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let file = |name: &str| directory.path().join(name).display().to_string();
    let (authority, other) = (authority(), authority());
    std::fs::write(file("authority.pem"), authority.0.pem()).unwrap();
    std::fs::write(file("other.pem"), other.0.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &authority.1).unwrap();
    std::fs::write(file("server.pem"), certificate.pem()).unwrap();
    std::fs::write(file("server.key"), key.serialize_pem()).unwrap();
    std::fs::set_permissions(file("server.key"), PermissionsExt::from_mode(0o600)).unwrap();
    // If the server runs as another user, that user must own the key.
    _ = Command::new("chown")
        .args(["postgres", &file("server.key")])
        .stderr(std::process::Stdio::null())
        .status();
    let settings = ["ssl=on".to_owned(), format!("ssl_cert_file={}", file("server.pem"))];
    let settings = [&settings[..], &[format!("ssl_key_file={}", file("server.key"))]].concat();
    let server = Server::start(&settings.iter().map(String::as_str).collect::<Vec<_>>());

    for mode in [format!("verify-full&sslrootcert={}", file("authority.pem")), "require".to_owned()] {
        let database = TestDatabase::create_on(&server.url).await;
        let running = Running::serve(Path::new(&format!("{}&sslmode={mode}", database.url)));
        get(&client(), &format!("{}/readyz", running.url), "").await;
        let administrator = database.connect().await;
        let text = "SELECT count(*), count(*) FILTER (WHERE ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                    WHERE application_name = 'annals'";
        let row = administrator.query_one(text, &[]).await.unwrap();
        let (connections, encrypted): (i64, i64) = (row.get(0), row.get(1));
        assert!(connections > 2 && encrypted == connections, "{encrypted} of {connections}");
        assert!(running.stop().success());
    }
    let database = TestDatabase::create_on(&server.url).await;
    let store = format!("{}&sslmode=verify-full&sslrootcert={}", database.url, file("other.pem"));
    let refused = serve(Path::new(&store)).args(["--listen", "127.0.0.1:0"]).output().unwrap();
    let complained = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && complained.contains("cannot be opened"), "{complained}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_together_create_one_store_and_one_operator_token() {
    let database = TestDatabase::create().await;
    let starting = (0..4).map(|_| {
        let mut serve = serve(Path::new(&database.url));
        serve.args(["--listen", "127.0.0.1:0"]);
        std::thread::spawn(move || Running::start(serve))
    });
    let mut running: Vec<_> =
        starting.collect::<Vec<_>>().into_iter().map(|starting| starting.join().unwrap()).collect();
    let lines: Vec<_> = running.iter_mut().flat_map(|running| running.lines_until("curl")).collect();
    let tokens: Vec<_> = lines.iter().filter(|line| line.contains("shown only once")).collect();
    assert_eq!(tokens.len(), 1, "{lines:?}");
    let token = tokens[0].rsplit(' ').next().unwrap();
    for (index, running) in running.iter().enumerate() {
        assert_eq!(register(running, token, &format!("user-{index}")).await, 201);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_contain_nothing_that_is_sent_to_the_database() {
    let database = TestDatabase::create().await;
    let mut serve = serve(Path::new(&database.url));
    serve.args(["--listen", "127.0.0.1:0", "--operator-token", OPERATOR]);
    serve.args(["--log", "trace,tokio_postgres=trace"]);
    let log = tempfile::NamedTempFile::new().unwrap();
    let running = Running::start_logging(serve, log.reopen().unwrap());
    assert_eq!(register(&running, OPERATOR, "jane").await, 201);
    assert!(running.stop().success());
    let log = std::fs::read_to_string(log.path()).unwrap();
    assert!(log.contains("/v1/users"), "the log is empty");
    assert!(!log.contains("argon2") && !log.contains("jane@example.com"), "{log}");
}

async fn register(running: &Running, token: &str, name: &str) -> u16 {
    let email = format!("{name}@example.com");
    let user = json!({"user": {"username": name, "email": email, "password": "correct horse battery"}});
    let request = client().post(format!("{}/v1/users", running.url)).bearer_auth(token);
    request.json(&user).send().await.unwrap().status().as_u16()
}

fn authority() -> (rcgen::Certificate, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap(), Issuer::new(params, key))
}

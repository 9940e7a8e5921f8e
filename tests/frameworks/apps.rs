//! The upstreams: small payment APIs that count their effects, each in a widely used framework with the
//! defaults of that framework.

use std::net::{SocketAddr, TcpListener};

use tempfile::TempDir;
use tokio::process::Command;

use crate::clients::{Program, file, node, python};
use crate::harness::request;

/// A running API.
pub struct App {
    pub address: SocketAddr,
    _programs: Vec<Program>,
    _directory: Option<TempDir>,
}

impl App {
    /// Starts Express from the package with this name.
    pub async fn express(package: &str) -> Self {
        let mut command = node(&file("tests/frameworks/apps/express.js"));
        command.arg(package);
        Self::listening(command).await
    }

    /// Starts Node's own server, which resolves the path as browsers do.
    pub async fn url() -> Self {
        Self::listening(node(&file("tests/frameworks/apps/url.js"))).await
    }

    /// Starts Flask on Werkzeug's server.
    pub async fn flask() -> Self {
        Self::listening(python(&file("tests/frameworks/apps/flask_app.py"))).await
    }

    /// Starts FastAPI on uvicorn.
    pub async fn fastapi() -> Self {
        Self::listening(python(&file("tests/frameworks/apps/fastapi_app.py"))).await
    }

    /// Starts Express behind an nginx that passes on its own form of the path in place of the sent one.
    pub async fn nginx() -> Self {
        let mut app = Self::express("express").await;
        let directory = TempDir::new().expect("a temporary directory");
        // Another process may take the port before the server does.
        for _ in 0..10 {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
            let command = nginx(directory.path(), free, app.address);
            if let Ok(nginx) = Program::try_start(command, "getrlimit").await {
                app.address = free;
                app._programs.push(nginx);
                app._directory = Some(directory);
                return app;
            }
        }
        panic!("nginx did not start")
    }

    async fn listening(command: Command) -> Self {
        let program = Program::start(command, "listening on").await;
        Self { address: program.address(), _programs: vec![program], _directory: None }
    }

    /// Returns the keys of all effects so far, `""` for an effect without a key. The request bypasses the
    /// gateway.
    pub async fn ledger(&self) -> Vec<String> {
        let told = request(self.address, "GET", "/ledger", &[], "").await;
        serde_json::from_slice(&told.body).unwrap_or_else(|error| panic!("{error}: {told:?}"))
    }

    /// Returns the number of effects under this key.
    pub async fn effects(&self, key: &str) -> usize {
        self.ledger().await.iter().filter(|charged| *charged == key).count()
    }
}

/// Returns the command of an nginx in a single process, which prints the limits of its system once it
/// listens.
fn nginx(directory: &std::path::Path, listen: SocketAddr, upstream: SocketAddr) -> Command {
    let place = directory.display();
    let config = format!(
        "daemon off;\nmaster_process off;\npid {place}/pid;\nerror_log stderr notice;\n\
         events {{}}\nhttp {{\n access_log off;\n client_body_temp_path {place};\n proxy_temp_path {place};\n\
         fastcgi_temp_path {place};\n uwsgi_temp_path {place};\n scgi_temp_path {place};\n\
         server {{\n  listen {listen};\n  location / {{ proxy_pass http://{upstream}/; }}\n }}\n}}\n"
    );
    std::fs::write(directory.join("nginx.conf"), config).expect("the configuration can be written");
    // Debian installs nginx outside the path of most users.
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("/bin/sh");
    command.env("PATH", path).args(["-c", "exec nginx -p \"$0\" -c nginx.conf -e stderr"]).arg(directory);
    command
}

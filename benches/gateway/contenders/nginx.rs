//! nginx as a proxy that passes everything on, where it is installed.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::roles::Process;
use crate::servers::redis::free_port;

/// Configuration of nginx: one process, kept connections to the upstream, no log of requests, no files
/// outside of its directory.
const CONFIG: &str = "
daemon off;
master_process off;
worker_processes 1;
pid DIRECTORY/pid;
error_log DIRECTORY/error.log error;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path DIRECTORY/body;
    proxy_temp_path DIRECTORY/proxy;
    fastcgi_temp_path DIRECTORY/fastcgi;
    uwsgi_temp_path DIRECTORY/uwsgi;
    scgi_temp_path DIRECTORY/scgi;
    keepalive_requests 1000000000;
    upstream payments {
        server UPSTREAM;
        keepalive 256;
        keepalive_requests 1000000000;
    }
    server {
        listen 127.0.0.1:PORT;
        location / {
            proxy_pass http://payments;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Host $host;
        }
    }
}
";

/// A running nginx.
pub struct Nginx {
    pub process: Process,
    pub address: SocketAddr,
    pub directory: TempDir,
}

/// Starts nginx. Returns none if it is not installed.
pub fn start(upstream: SocketAddr) -> Option<Nginx> {
    let known = Command::new("nginx").arg("-v").stderr(Stdio::null()).status();
    if !known.is_ok_and(|status| status.success()) {
        return None;
    }
    let (directory, port) = (tempfile::tempdir().expect("a directory"), free_port());
    let config = CONFIG.replace("DIRECTORY", &directory.path().display().to_string());
    let config = config.replace("UPSTREAM", &upstream.to_string()).replace("PORT", &port.to_string());
    let file = directory.path().join("nginx.conf");
    std::fs::write(&file, config).expect("a file");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut command = Command::new("nginx");
    command
        .arg("-c")
        .arg(&file)
        .arg("-p")
        .arg(directory.path())
        .arg("-e")
        .arg(directory.path().join("start.log"));
    let process = Process::start(&mut command, address);
    Some(Nginx { process, address, directory })
}

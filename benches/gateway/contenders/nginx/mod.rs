//! nginx where it is installed: as a proxy that passes everything on, and with a script that keeps
//! responses in Redis.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::roles::{Process, Tool};
use crate::servers::redis::free_port;

/// Configuration of nginx: one process, kept connections to the upstream, no log of requests, no files
/// outside of its directory.
const CONFIG: &str = include_str!("nginx.conf");
/// The location of a proxy.
const PASSING: &str = "location / { include DIRECTORY/proxy.conf; proxy_pass http://payments; }";
/// The locations of a gateway that an operator writes by hand.
const SCRIPTED: &str = "
        location / { set $redis_port REDIS; content_by_lua_file DIRECTORY/idempotency.lua; }
        location @payments { include DIRECTORY/proxy.conf; proxy_pass http://payments; }
        location /payments/ {
            internal;
            include DIRECTORY/proxy.conf;
            proxy_pass http://payments/;
        }";
const PROXY: &str =
    "proxy_http_version 1.1;\nproxy_set_header Connection \"\";\nproxy_set_header Host $host;\n";
const SCRIPT: &str = include_str!("idempotency.lua");

/// Directory of the modules, as Debian installs them.
const MODULES: &str = "/usr/lib/nginx/modules";
/// The modules that run a script, in the order in which they are loaded.
const LUA_MODULES: [&str; 2] = ["ndk_http_module.so", "ngx_http_lua_module.so"];
/// Libraries of the script.
const LUA_LIBRARIES: [&str; 2] =
    ["/usr/share/lua/5.1/nginx/redis.lua", "/usr/share/lua/5.1/nginx/sha256.lua"];
/// Debian's packages of the modules and the libraries.
pub const LUA_PACKAGES: &str = "libnginx-mod-http-lua lua-nginx-redis lua-nginx-string";

/// A running nginx.
pub struct Nginx {
    pub process: Process,
    pub address: SocketAddr,
    pub directory: TempDir,
}

/// Tells whether nginx is installed.
pub fn is_installed() -> bool {
    let known = Command::new("nginx").arg("-v").stderr(Stdio::null()).status();
    known.is_ok_and(|status| status.success())
}

/// Tells whether nginx is installed with all that the script needs.
pub fn is_lua_installed() -> bool {
    let modules = LUA_MODULES.iter().all(|module| Path::new(MODULES).join(module).exists());
    modules && LUA_LIBRARIES.iter().all(|library| Path::new(library).exists()) && is_installed()
}

/// Starts nginx as a proxy.
pub fn start(upstream: SocketAddr, tool: Tool) -> Nginx {
    run(&CONFIG.replace("LOCATIONS", PASSING).replace("MODULES", ""), upstream, tool)
}

/// Starts nginx with the script, and a Redis at this port.
pub fn start_lua(upstream: SocketAddr, redis: u16, tool: Tool) -> Nginx {
    let modules = LUA_MODULES.map(|module| format!("load_module {MODULES}/{module};\n")).concat();
    let config = CONFIG.replace("LOCATIONS", SCRIPTED).replace("MODULES", &modules);
    run(&config.replace("REDIS", &redis.to_string()), upstream, tool)
}

fn run(config: &str, upstream: SocketAddr, tool: Tool) -> Nginx {
    let (directory, port) = (tempfile::tempdir().expect("a directory"), free_port());
    let config = config.replace("DIRECTORY", &directory.path().display().to_string());
    let config = config.replace("UPSTREAM", &upstream.to_string()).replace("PORT", &port.to_string());
    let file = directory.path().join("nginx.conf");
    for (name, text) in [("nginx.conf", &*config), ("proxy.conf", PROXY), ("idempotency.lua", SCRIPT)] {
        std::fs::write(directory.path().join(name), text).expect("a file");
    }
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut command = tool.command("nginx");
    command
        .arg("-c")
        .arg(&file)
        .arg("-p")
        .arg(directory.path())
        .arg("-e")
        .arg(directory.path().join("start.log"));
    let process = Process::start(&mut command, address);
    Nginx { process, address, directory }
}

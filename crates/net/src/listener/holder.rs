//! Who listens on a port, as far as `/proc` shows it to us: for one error message.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

/// Such as `process 4711 (master)`; none where the system does not tell.
pub(super) fn of_port(port: u16) -> Option<String> {
    let socket = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| Some(format!("socket:[{}]", listening_socket(&table, port)?)))?;
    let processes = fs::read_dir("/proc").ok()?;
    let is_number = |name: &OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let holder = processes
        .flatten()
        .filter(|process| is_number(&process.file_name()))
        .find(|process| holds(&process.path(), &socket))?;
    let name = fs::read_to_string(holder.path().join("comm")).unwrap_or_default();
    let number = holder.file_name();
    Some(format!(
        "process {} ({})",
        number.display(),
        name.trim_end()
    ))
}

/// The inode of the socket that listens on the port, in a table of the kernel.
fn listening_socket(table: &str, port: u16) -> Option<&str> {
    const LISTENING: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (local, state) = (fields.nth(1)?, fields.nth(1)?);
        let (_, local_port) = local.rsplit_once(':')?;
        let here = u16::from_str_radix(local_port, 16) == Ok(port) && state == LISTENING;
        here.then(|| fields.nth(5)).flatten()
    })
}

fn holds(process: &Path, socket: &str) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    files
        .flatten()
        .filter_map(|file| fs::read_link(file.path()).ok())
        .any(|target| target.as_os_str() == socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_kernel_is_read() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0019 0200007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 111 1
   1: 0100007F:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1
";
        assert_eq!(listening_socket(table, 25), Some("222"));
        assert_eq!(listening_socket(table, 26), None);
    }
}

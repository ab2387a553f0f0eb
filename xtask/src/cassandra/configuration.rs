//! The files that a node reads, as small as a test machine wants them.

use std::fs;

use anyhow::{Context as _, Result};

use super::encryption;
use super::layout::{CQL_PORT, Net, STORAGE_PORT, TOKENS_PER_NODE};
use super::place::{Folder, Place};
use super::settings::{Encryption, Logins, Settings, Sync};

/// Folders of data that a node does not make by itself.
const FOLDERS: [&str; 7] = [
    "conf",
    "data",
    "commitlog",
    "hints",
    "saved_caches",
    "cdc_raw",
    "tmp",
];

/// What does not depend on anything. Memory is kept small, sizes of pools fit two processors, a
/// node that cannot write ends at once instead of limping, and SSTables are those of a new 5.0
/// cluster.
const COMMON: &str = "\
cluster_name: cassmail-test
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: GossipingPropertyFileSnitch
role_manager: CassandraRoleManager
storage_compatibility_mode: NONE
uuid_sstable_identifiers_enabled: true
sstable:
  selected_format: bti
memtable:
  configurations:
    default:
      class_name: TrieMemtable
memtable_allocation_type: offheap_objects
memtable_heap_space: 96MiB
memtable_offheap_space: 96MiB
commitlog_segment_size: 16MiB
commitlog_total_space: 256MiB
native_transport_max_threads: 128
concurrent_reads: 8
concurrent_compactors: 1
compaction_throughput: 64MiB/s
key_cache_size: 4MiB
counter_cache_size: 0MiB
row_cache_size: 0MiB
networking_cache_size: 32MiB
file_cache_size: 32MiB
prepared_statements_cache_size: 10MiB
hinted_handoff_throttle: 10MiB
max_hint_window: 3h
hints_flush_period: 1s
auto_snapshot: false
disk_failure_policy: die
commit_failure_policy: die
cdc_enabled: false
materialized_views_enabled: false
sasi_indexes_enabled: false
read_request_timeout: 5s
range_request_timeout: 10s
write_request_timeout: 2s
request_timeout: 10s
truncate_request_timeout: 60s
";

const LOGBACK: &str = "\
<configuration scan=\"false\">
  <appender name=\"log\" class=\"ch.qos.logback.core.ConsoleAppender\">
    <encoder><pattern>%d{HH:mm:ss.SSS} %-5level [%thread] %logger{0} %msg%n</pattern></encoder>
  </appender>
  <root level=\"INFO\"><appender-ref ref=\"log\"/></root>
</configuration>
";

/// How a node comes into its ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Birth {
    /// With the tokens that are its own.
    Member,
    /// Without data, in the place of the one that had its address.
    Replacement,
}

/// Writes them all. What an earlier start wrote is replaced; data are left alone.
pub(super) fn write(place: &Place, settings: &Settings, node: usize, birth: Birth) -> Result<()> {
    let folder = place.node(node);
    for name in FOLDERS {
        let path = folder.path().join(name);
        fs::create_dir_all(&path).with_context(|| format!("failed to make {}", path.display()))?;
    }
    let files = [
        ("cassandra.yaml", yaml(place, settings, node, birth)?),
        ("cassandra-rackdc.properties", rack(settings, node)),
        ("logback.xml", LOGBACK.to_owned()),
    ];
    for (name, text) in files {
        let path = folder.conf(name);
        fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}

fn rack(settings: &Settings, node: usize) -> String {
    let center = settings.layout.center_of(node);
    let seat = settings.layout.seat_of(node) + 1;
    format!("dc=dc{center}\nrack=r{seat}\n")
}

fn yaml(place: &Place, settings: &Settings, node: usize, birth: Birth) -> Result<String> {
    let mut parts = vec![
        COMMON.to_owned(),
        ring(place.net, settings, node, birth)?,
        addresses(place.net, settings, node),
        logins(settings.logins).to_owned(),
        commit_log(settings.sync).to_owned(),
        folders(&place.node(node)),
    ];
    if settings.encryption == Encryption::Offered {
        parts.push(encryption::yaml(place));
    }
    // A key that is there twice is accepted, and the last one wins.
    parts.extend(settings.yaml.iter().map(|line| format!("{line}\n")));
    Ok(parts.concat())
}

/// Every node is a seed: all start at the same moment, and none waits for another. A replacement
/// takes the tokens of the node that it replaces, and must fetch, which seeds do not.
fn ring(net: Net, settings: &Settings, node: usize, birth: Birth) -> Result<String> {
    let tokens = settings.layout.tokens_of(node)?;
    let tokens = match birth {
        Birth::Member => format!("\"{}\"", joined(tokens.iter())),
        Birth::Replacement => String::new(),
    };
    let is_seed = |seed: &usize| birth == Birth::Member || *seed != node;
    let nodes = settings.layout.nodes().into_iter().filter(is_seed);
    let seeds = joined(nodes.map(|node| net.outer(node)));
    Ok(format!(
        "num_tokens: {TOKENS_PER_NODE}
initial_token: {tokens}
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: \"{seeds}\"
"
    ))
}

/// With the link, other nodes dial the address that is broadcast, and the link dials the one on
/// which the node listens. Clients go to the former, where CQL is spoken without the link.
fn addresses(net: Net, settings: &Settings, node: usize) -> String {
    let outer = net.outer(node);
    let listen = if settings.layout.is_linked() {
        net.inner(node)
    } else {
        outer
    };
    format!(
        "listen_address: {listen}
broadcast_address: {outer}
rpc_address: {outer}
storage_port: {STORAGE_PORT}
start_native_transport: true
native_transport_port: {CQL_PORT}
"
    )
}

fn logins(logins: Logins) -> &'static str {
    match logins {
        Logins::Off => "authenticator: AllowAllAuthenticator\nauthorizer: AllowAllAuthorizer\n",
        Logins::On => "authenticator: PasswordAuthenticator\nauthorizer: CassandraAuthorizer\n",
    }
}

/// A thread that writes waits for the sync where one is waited for: there many are needed.
fn commit_log(sync: Sync) -> &'static str {
    match sync {
        Sync::Batch => "commitlog_sync: batch\nconcurrent_writes: 128\n",
        Sync::Group => {
            "commitlog_sync: group\ncommitlog_sync_group_window: 5ms\nconcurrent_writes: 128\n"
        }
        Sync::Periodic => {
            "commitlog_sync: periodic\ncommitlog_sync_period: 10s\nconcurrent_writes: 16\n"
        }
    }
}

fn folders(folder: &Folder) -> String {
    let at = folder.path().display();
    format!(
        "data_file_directories:
  - \"{at}/data\"
commitlog_directory: \"{at}/commitlog\"
hints_directory: \"{at}/hints\"
saved_caches_directory: \"{at}/saved_caches\"
cdc_raw_directory: \"{at}/cdc_raw\"
"
    )
}

fn joined(items: impl Iterator<Item = impl ToString>) -> String {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    items.join(",")
}

#[cfg(test)]
mod tests {
    use super::super::layout::Layout;
    use super::*;

    fn written(settings: &Settings, node: usize) -> String {
        yaml(&Place::of(Net(0)), settings, node, Birth::Member).unwrap()
    }

    #[test]
    fn a_replacement_has_no_tokens_and_is_no_seed() {
        let settings = Settings::new(Layout::Center);
        let text = yaml(&Place::of(Net(0)), &settings, 2, Birth::Replacement).unwrap();
        assert!(text.contains("\ninitial_token: \n"));
        assert!(text.contains("seeds: \"127.0.0.1,127.0.0.3\"\n"));
    }

    #[test]
    fn two_data_centers_dial_each_other_through_the_link() {
        let text = written(&Settings::new(Layout::TwoCenters), 5);
        assert!(text.contains("\nlisten_address: 127.0.0.15\n"));
        assert!(text.contains("\nbroadcast_address: 127.0.0.5\n"));
        assert!(text.contains("\nrpc_address: 127.0.0.5\n"));
    }

    #[test]
    fn one_data_center_has_no_link() {
        let text = written(&Settings::new(Layout::Center), 3);
        assert!(text.contains("\nlisten_address: 127.0.0.3\n"));
        assert!(text.contains("seeds: \"127.0.0.1,127.0.0.2,127.0.0.3\"\n"));
    }

    #[test]
    fn writes_are_on_the_disk_before_they_are_acknowledged_unless_asked_otherwise() {
        let mut settings = Settings::new(Layout::Single);
        assert!(written(&settings, 1).contains("\ncommitlog_sync: batch\n"));
        settings.sync = Sync::Periodic;
        assert!(written(&settings, 1).contains("\ncommitlog_sync: periodic\n"));
    }

    #[test]
    fn logins_are_off_unless_asked_for() {
        let mut settings = Settings::new(Layout::Single);
        assert!(written(&settings, 1).contains("\nauthenticator: AllowAllAuthenticator\n"));
        settings.logins = Logins::On;
        assert!(written(&settings, 1).contains("\nauthenticator: PasswordAuthenticator\n"));
    }

    #[test]
    fn encryption_is_off_unless_asked_for() {
        let mut settings = Settings::new(Layout::Single);
        assert!(!written(&settings, 1).contains("client_encryption_options"));
        settings.encryption = Encryption::Offered;
        assert!(written(&settings, 1).contains("\nclient_encryption_options:\n  enabled: true\n"));
    }

    #[test]
    fn lines_that_were_asked_for_come_last() {
        let mut settings = Settings::new(Layout::Single);
        settings.yaml = vec!["max_hint_window: 1m".to_owned()];
        assert!(written(&settings, 1).ends_with("\nmax_hint_window: 1m\n"));
    }

    #[test]
    fn each_node_knows_its_data_center_and_rack() {
        let settings = Settings::new(Layout::TwoCenters);
        assert_eq!(rack(&settings, 1), "dc=dc1\nrack=r1\n");
        assert_eq!(rack(&settings, 6), "dc=dc2\nrack=r3\n");
    }
}

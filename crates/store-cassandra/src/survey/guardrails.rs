//! Limits that a node puts on requests: those that keep accidents away, and those that would keep
//! us away.

use super::nodes::{Answer, by_value};
use super::{Finding, on};

/// What a setting must not be, since our own requests would be refused.
struct Forbidden {
    setting: &'static str,
    is_against_us: fn(&str) -> bool,
    remedy: &'static str,
}

const FORBIDDEN: [Forbidden; 5] = [
    Forbidden {
        setting: "user_timestamps_enabled",
        is_against_us: |value| value == "false",
        remedy: "true: all that belongs to a message is written at the time of its id",
    },
    Forbidden {
        setting: "page_size_fail_threshold",
        is_against_us: |value| matches!(value.parse(), Ok(1..1000)),
        remedy: "1000 or more (5000): listings are read a thousand rows at a time",
    },
    Forbidden {
        setting: "column_value_size_fail_threshold",
        is_against_us: |value| octets(value).is_some_and(|octets| octets < 256 * 1024),
        remedy: "256KiB or more (1MiB): bodies are kept in cells of 128 KiB",
    },
    Forbidden {
        setting: "write_consistency_levels_disallowed",
        is_against_us: |value| lists_any(value, &["EACH_QUORUM", "QUORUM", "LOCAL_QUORUM"]),
        remedy: "without EACH_QUORUM, QUORUM and LOCAL_QUORUM, at which mail is written",
    },
    Forbidden {
        setting: "read_consistency_levels_disallowed",
        is_against_us: |value| {
            let ours = ["LOCAL_ONE", "LOCAL_QUORUM", "EACH_QUORUM", "ALL"];
            lists_any(value, &ours)
        },
        remedy: "without LOCAL_ONE, LOCAL_QUORUM, EACH_QUORUM and ALL, at which mail is read",
    },
];

/// What a setting should be.
struct Advice {
    setting: &'static str,
    is_well: fn(&str) -> bool,
    remedy: &'static str,
}

const ADVICE: [Advice; 10] = [
    Advice {
        setting: "allow_filtering_enabled",
        is_well: |value| value == "false",
        remedy: "false",
    },
    Advice {
        setting: "simplestrategy_enabled",
        is_well: |value| value == "false",
        remedy: "false",
    },
    Advice {
        setting: "minimum_replication_factor_fail_threshold",
        is_well: |value| value.parse::<i64>().is_ok_and(|least| least >= 3),
        remedy: "3",
    },
    Advice {
        setting: "page_size_fail_threshold",
        is_well: is_limited,
        remedy: "5000",
    },
    Advice {
        setting: "partition_keys_in_select_fail_threshold",
        is_well: is_limited,
        remedy: "50",
    },
    Advice {
        setting: "in_select_cartesian_product_fail_threshold",
        is_well: is_limited,
        remedy: "50",
    },
    Advice {
        setting: "column_value_size_fail_threshold",
        is_well: is_limited,
        remedy: "1MiB",
    },
    Advice {
        setting: "data_disk_usage_percentage_fail_threshold",
        is_well: is_limited,
        remedy: "80: writes are refused then, and senders hear that there is no room",
    },
    Advice {
        setting: "write_consistency_levels_disallowed",
        is_well: |value| {
            let levels = levels(value);
            ["ANY", "ONE", "LOCAL_ONE"]
                .iter()
                .all(|level| levels.contains(level))
        },
        remedy: "[ANY, ONE, LOCAL_ONE]",
    },
    Advice {
        setting: "maximum_timestamp_fail_threshold",
        is_well: is_limited,
        remedy: "1d: a node whose clock runs ahead is refused",
    },
];

fn is_limited(value: &str) -> bool {
    !["-1", "null", "not set", ""].contains(&value)
}

/// The names in a list such as `[ANY, ONE]`.
fn levels(value: &str) -> Vec<&str> {
    let names = value.split(|c: char| !(c.is_ascii_alphabetic() || c == '_'));
    names.filter(|name| !name.is_empty()).collect()
}

fn lists_any(value: &str, ours: &[&str]) -> bool {
    levels(value).iter().any(|level| ours.contains(level))
}

/// A size such as `128KiB`.
fn octets(value: &str) -> Option<u64> {
    let digits = value.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = value.split_at(digits);
    let factor = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// What is against us is named node by node; what only lacks is advice.
pub(super) fn findings(answers: &[&Answer]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in &FORBIDDEN {
        for (value, nodes) in by_value(answers, rule.setting) {
            if (rule.is_against_us)(&value) {
                let found = format!("{value} on {}", on(&nodes, answers.len()));
                findings.push(Finding::broken(rule.setting, found, rule.remedy));
            }
        }
    }
    for advice in &ADVICE {
        for (value, nodes) in by_value(answers, advice.setting) {
            if !(advice.is_well)(&value) {
                let found = format!("{value} on {}", on(&nodes, answers.len()));
                findings.push(Finding::doubtful(advice.setting, found, advice.remedy));
            }
        }
    }
    if findings.is_empty() && !answers.is_empty() {
        findings.push(Finding::well("every node", "all that are advised are set"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::nodes::tests::node;
    use super::*;

    const GOOD: [(&str, &str); 11] = [
        ("allow_filtering_enabled", "false"),
        ("simplestrategy_enabled", "false"),
        ("minimum_replication_factor_fail_threshold", "3"),
        ("page_size_fail_threshold", "5000"),
        ("partition_keys_in_select_fail_threshold", "50"),
        ("in_select_cartesian_product_fail_threshold", "50"),
        ("column_value_size_fail_threshold", "1MiB"),
        ("data_disk_usage_percentage_fail_threshold", "80"),
        (
            "write_consistency_levels_disallowed",
            "[ANY, LOCAL_ONE, ONE]",
        ),
        ("maximum_timestamp_fail_threshold", "1d"),
        ("user_timestamps_enabled", "true"),
    ];

    fn with(setting: &'static str, value: &'static str) -> Vec<Finding> {
        let mut settings = GOOD.to_vec();
        settings.retain(|(name, _)| *name != setting);
        settings.push((setting, value));
        let (good, other) = (node("a", &GOOD), node("b", &settings));
        findings(&[&good, &other])
    }

    #[test]
    fn nodes_as_advised_are_well() {
        let found = with("user_timestamps_enabled", "true");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].state, State::Well);
    }

    #[test]
    fn what_would_refuse_us_fails_and_names_the_node() {
        for (setting, value) in [
            ("user_timestamps_enabled", "false"),
            ("page_size_fail_threshold", "500"),
            ("column_value_size_fail_threshold", "64KiB"),
            (
                "write_consistency_levels_disallowed",
                "[ANY, LOCAL_ONE, LOCAL_QUORUM, ONE]",
            ),
            ("read_consistency_levels_disallowed", "[ALL]"),
        ] {
            let found = with(setting, value);
            assert_eq!(found.len(), 1, "{setting}");
            assert_eq!(found[0].state, State::Broken, "{setting}");
            assert_eq!(found[0].found, format!("{value} on b"));
        }
    }

    #[test]
    fn what_is_off_is_advised() {
        for (setting, value) in [
            ("allow_filtering_enabled", "true"),
            ("page_size_fail_threshold", "-1"),
            ("maximum_timestamp_fail_threshold", "null"),
            ("write_consistency_levels_disallowed", "[]"),
        ] {
            let found = with(setting, value);
            assert_eq!(found.len(), 1, "{setting}");
            assert_eq!(found[0].state, State::Doubtful, "{setting}");
        }
    }
}

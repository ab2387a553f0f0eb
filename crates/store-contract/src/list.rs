//! The list of all tests, and the macro that makes them a back-end's.

/// Makes every test of the suite a test of the [`Subject`](crate::Subject) that is named, in the
/// modules `contract` and `model`.
#[macro_export]
macro_rules! contract_tests {
    ($subject:ident) => {
        mod contract {
            use super::$subject;

            $crate::tests_of!($subject, addresses: [
                domains_are_listed_in_the_order_of_their_names,
                a_domain_is_found_by_its_name,
                a_domain_can_be_changed,
                a_domain_that_is_put_twice_is_there_once,
                a_removed_domain_is_not_found,
                removing_a_domain_that_is_not_there_is_no_error,
                a_removed_domain_can_be_put_again,
                a_removed_domain_keeps_its_address_records,
                an_unknown_address_is_nothing,
                an_address_is_the_account_that_was_made_there,
                addresses_are_compared_as_they_are,
                awkward_addresses_are_kept_as_they_are,
                addresses_are_listed_in_the_order_of_their_local_parts,
                pages_of_addresses_join_without_gap_or_overlap,
                a_page_begins_behind_a_name_that_is_not_there,
                addresses_of_other_domains_are_not_listed,
                addresses_that_are_not_in_use_take_no_place_in_a_page,
                aliases_are_listed_among_the_addresses,
                accounts_and_aliases_are_listed_without_each_other,
                an_alias_resolves_to_its_targets,
                an_alias_can_be_put_again_and_changed,
                an_alias_at_an_account_is_a_conflict,
                a_removed_alias_is_not_in_use,
                removing_an_alias_that_is_not_there_is_missing,
                removing_an_alias_at_an_account_is_missing,
                many_aliases_put_at_once_are_all_there,
            ]);
            $crate::tests_of!($subject, workers: [
                a_worker_that_noted_nothing_has_no_note,
                the_last_note_of_each_worker_is_seen,
                a_note_can_be_put_again,
                a_note_survives_a_crash,
                of_notes_at_once_one_stays,
            ]);
            $crate::tests_of!($subject, administration: [
                administrators_are_listed_in_the_order_of_their_names,
                an_administrator_can_be_put_again_and_changed,
                a_removed_administrator_is_gone_until_it_is_made_again,
                tokens_are_put_listed_changed_and_removed,
                administrators_and_tokens_survive_a_crash,
                the_audit_log_is_read_from_the_latest_on,
                pages_of_the_audit_log_join,
                an_outcome_stays,
                the_audit_log_survives_a_crash,
            ]);
            $crate::tests_of!($subject, usages: [
                a_new_account_has_no_notes,
                the_last_note_of_each_writer_is_seen,
                a_writer_may_note_less_than_before,
                the_last_count_is_seen_beside_the_notes,
                notes_and_counts_can_be_put_again,
                notes_and_counts_survive_a_crash,
                of_what_is_noted_at_once_nothing_is_mixed,
                an_account_that_is_made_again_has_no_notes,
            ]);
            $crate::tests_of!($subject, traces: [
                a_new_store_has_no_traces,
                a_trace_is_found_by_each_of_its_keys_as_it_was,
                a_trace_that_is_recorded_again_is_found_once,
                pages_of_traces_join_and_are_in_their_order,
                a_range_of_time_bounds_what_is_found,
                many_traces_recorded_at_once_are_all_found,
                a_trace_with_a_thousand_recipients_is_found_by_each,
                traces_survive_an_orderly_end,
                after_a_crash_mail_is_whole_and_tracing_goes_on,
                expiry_spares_what_is_younger,
            ]);
            $crate::tests_of!($subject, adoption: [
                pages_of_records_join_and_have_every_address_once,
                records_of_removed_addresses_and_domains_are_listed,
                an_adopted_account_is_what_it_was,
                an_adopted_account_starts_empty_and_gets_mail,
                an_adopted_alias_is_an_alias,
                an_adopted_removal_is_the_last_life,
                adopting_again_changes_nothing,
                adopting_again_brings_the_state_of_the_account,
                adopting_an_account_with_other_credentials_is_a_conflict,
                adopting_another_life_of_an_account_is_a_conflict,
                adopting_over_what_is_in_use_is_a_conflict,
                a_life_that_is_over_is_not_adopted_again,
                generations_never_fall_by_an_adoption,
                an_adopted_account_can_be_removed,
                many_addresses_adopted_at_once_are_all_there,
                a_cancelled_adoption_can_be_repeated,
                what_was_adopted_survives_a_crash,
            ]);
            $crate::tests_of!($subject, accounts: [
                a_new_account_is_enabled_and_empty,
                an_account_id_is_made_of_address_and_generation,
                creating_again_with_the_same_credentials_answers_the_same_account,
                creating_again_with_other_credentials_is_a_conflict,
                creating_an_account_at_an_alias_is_a_conflict,
                a_cancelled_creation_can_be_repeated,
                two_calls_of_one_creator_at_once_make_one_account,
                many_accounts_made_at_once_are_all_there,
                a_re_created_address_starts_empty,
                generations_only_grow,
                a_removed_account_cannot_be_found,
                a_removed_account_has_no_messages,
                nothing_is_delivered_to_a_removed_account,
                removing_an_account_leaves_the_mail_of_other_owners,
                removing_an_account_again_is_missing,
                removing_what_is_no_account_is_missing,
                changed_credentials_count_at_once,
                a_changed_state_counts_at_once,
                a_repeated_change_of_an_account_is_harmless,
                changing_an_account_that_is_not_there_is_missing,
                an_upgrade_replaces_the_credentials_that_it_was_made_of,
                an_upgrade_of_credentials_that_were_changed_does_nothing,
                a_change_after_an_upgrade_stays,
                a_change_at_the_same_time_as_upgrades_stays,
                upgrading_an_account_that_is_not_there_is_missing,
                application_passwords_come_back_as_they_were,
                an_account_that_was_never_made_is_none,
                an_account_that_was_never_made_has_no_messages,
            ]);
            $crate::tests_of!($subject, delivery: [
                a_message_comes_back_as_it_was_written,
                pieces_come_back_as_one_body,
                pieces_of_one_octet_come_back_as_one_body,
                empty_pieces_change_nothing,
                an_empty_message_comes_back_empty,
                every_octet_comes_back,
                messages_of_awkward_sizes_come_back_whole,
                a_message_of_300_kib_comes_back_whole,
                a_message_of_5_mib_comes_back_whole,
                a_message_that_does_not_compress_comes_back_whole,
                the_receipt_names_the_message,
                an_acknowledged_message_is_listed_once,
                every_owner_lists_the_message_once,
                a_thousand_owners_list_the_message,
                a_message_is_listed_by_its_owners_only,
                a_listing_is_in_the_order_of_ids,
                a_listing_can_be_repeated,
                the_same_body_delivered_twice_is_two_messages,
                the_listed_size_is_what_is_given_out,
                each_owner_gets_a_delivered_to_line_of_his_own,
                an_owner_without_recipient_gets_no_line,
                the_delivered_to_line_is_behind_the_first_line_however_it_is_cut,
                a_body_of_one_line_gets_its_delivered_to_line,
                a_recipient_that_needs_quotes_is_named_with_them,
                a_message_has_the_unique_id_of_its_id,
                an_imported_message_keeps_its_unique_id,
                owners_of_one_message_have_unique_ids_of_their_own,
                a_report_is_delivered_like_any_message,
                the_size_of_a_surrogate_is_listed_as_it_was_committed,
                a_message_without_a_surrogate_lists_none,
                nothing_is_visible_before_the_commit,
                a_dropped_writer_leaves_nothing,
                an_id_can_be_begun_again,
                a_cancelled_begin_leaves_nothing,
                a_message_whose_write_was_cancelled_cannot_be_committed,
                a_cancelled_commit_is_listed_for_all_or_for_none,
                messages_that_are_written_by_turns_do_not_mix,
            ]);
            $crate::tests_of!($subject, retry: [
                a_repeated_commit_changes_nothing,
                a_repeated_commit_may_be_cut_otherwise,
                a_commit_of_another_body_is_a_conflict,
                a_repeated_commit_does_not_bring_back_what_was_removed,
                a_repeated_commit_does_not_add_owners,
                a_commit_can_be_repeated_after_reopening,
                a_cancelled_commit_can_be_repeated,
                two_commits_of_one_message_at_once_list_it_once,
                repetitions_do_not_disturb_the_first_body,
            ]);
            $crate::tests_of!($subject, reading: [
                opening_a_message_that_is_not_there_is_missing,
                opening_a_message_of_another_account_is_missing,
                opening_a_removed_message_is_missing,
                pieces_are_at_most_256_kib,
                the_end_of_a_body_stays_the_end,
                a_reader_outlives_the_removal,
                a_reader_outlives_the_account,
                many_readers_of_one_message_at_once_all_get_it,
                a_slow_reader_is_not_disturbed_by_deliveries,
                cancelled_reading_is_harmless,
                a_damaged_body_is_corrupt_and_never_given_out,
                a_damaged_message_is_listed_and_can_be_removed,
            ]);
            $crate::tests_of!($subject, removal: [
                a_removed_message_is_gone,
                the_receipt_counts_what_was_to_be_removed,
                removing_some_leaves_the_others_in_order,
                other_owners_keep_theirs,
                nobody_removes_the_mail_of_others,
                removing_what_is_not_listed_is_no_error,
                removing_nothing_removes_nothing,
                an_id_may_be_named_twice,
                removing_again_is_harmless,
                removing_from_nobody_is_no_error,
                many_messages_are_removed_at_once,
                two_removers_at_once_both_get_a_receipt,
                all_owners_may_remove_at_once,
                a_cancelled_removal_can_be_repeated,
            ]);
            $crate::tests_of!($subject, closing: [
                a_new_store_is_empty,
                a_new_store_is_well,
                a_store_that_is_well_is_not_poisoned,
                a_closed_store_refuses_the_verbs_of_accounts,
                a_closed_store_refuses_the_verbs_of_maildrops,
                a_closed_store_refuses_the_verbs_of_traces,
                a_writer_of_a_closed_store_is_refused,
                closing_twice_is_harmless,
                a_cancelled_close_closes_all_the_same,
                a_store_that_closes_answers_everybody,
                a_reopened_store_has_everything,
                a_crashed_store_has_everything_that_was_acknowledged,
                a_store_can_be_reopened_again_and_again,
                generations_grow_over_reopening,
                what_was_removed_stays_removed,
                a_store_closes_while_a_reader_is_open,
            ]);
            $crate::tests_of!($subject, crash: [
                a_crash_amid_a_message_leaves_nothing,
                a_crash_amid_a_commit_lists_it_for_all_or_for_none,
                a_commit_is_repeated_after_a_crash,
                a_crash_amid_a_removal_leaves_the_rest_whole,
                a_crash_amid_the_making_of_an_account_leaves_all_or_nothing,
                a_crash_does_not_bring_back_an_account,
                a_crash_in_a_crowd_keeps_every_acknowledged_message,
            ]);
            $crate::tests_of!($subject, room: [
                a_full_store_refuses_messages,
                a_full_store_says_so,
                a_full_store_is_not_poisoned,
                reading_works_while_the_store_is_full,
                owners_can_log_in_while_the_store_is_full,
                removal_works_while_the_store_is_full,
                service_returns_when_there_is_room,
                a_message_is_stored_or_refused_when_the_room_goes_meanwhile,
                a_full_store_keeps_what_it_has,
            ]);
            $crate::tests_of!($subject, crowd: [
                many_messages_to_one_account_at_once_are_all_listed,
                many_messages_to_many_accounts_at_once_are_all_listed,
                large_messages_at_once_come_back_whole,
                a_listing_during_deliveries_has_all_that_was_acknowledged,
                what_is_listed_during_deliveries_can_be_read,
                deliveries_and_removals_at_once_keep_the_books,
                readers_and_removers_at_once_see_whole_messages,
                twenty_thousand_messages_are_listed_in_order,
            ]);
        }

        mod model {
            use super::$subject;

            $crate::histories_of!($subject, model: [
                random_histories_agree_with_the_specification,
                random_histories_with_reopening_agree_with_the_specification,
                random_histories_with_crashes_agree_with_the_specification,
                random_histories_with_cancelled_verbs_agree_with_the_specification,
            ]);
        }
    };
}

/// The tests of one module; use [`contract_tests`](crate::contract_tests).
#[doc(hidden)]
#[macro_export]
macro_rules! tests_of {
    ($subject:ident, $module:ident: [$($test:ident,)*]) => {
        $(
            #[test]
            fn $test() {
                $crate::run($crate::$module::$test::<$subject>);
            }
        )*
    };
}

/// The random histories, which make their runtimes themselves.
#[doc(hidden)]
#[macro_export]
macro_rules! histories_of {
    ($subject:ident, $module:ident: [$($test:ident,)*]) => {
        $(
            #[test]
            fn $test() {
                $crate::$module::$test::<$subject>();
            }
        )*
    };
}

#[cfg(test)]
mod tests {
    /// A test that is written but not listed would run for nobody.
    #[test]
    fn every_test_is_listed_once() {
        let list = include_str!("list.rs");
        for source in [
            include_str!("addresses.rs"),
            include_str!("accounts.rs"),
            include_str!("delivery.rs"),
            include_str!("retry.rs"),
            include_str!("reading.rs"),
            include_str!("removal.rs"),
            include_str!("closing.rs"),
            include_str!("crash.rs"),
            include_str!("room.rs"),
            include_str!("crowd.rs"),
            include_str!("model.rs"),
            include_str!("adoption.rs"),
            include_str!("usages.rs"),
            include_str!("workers.rs"),
            include_str!("administration.rs"),
        ] {
            let tests = source.lines().filter_map(|line| {
                let name = line.strip_prefix("pub ")?.trim_start_matches("async ");
                name.strip_prefix("fn ")?.split('<').next()
            });
            for test in tests {
                let line = format!("                {test},\n");
                assert_eq!(list.matches(&line).count(), 1, "{test}");
            }
        }
    }
}

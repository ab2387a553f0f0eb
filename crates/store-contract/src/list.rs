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
                an_alias_resolves_to_its_targets,
                an_alias_can_be_put_again_and_changed,
                an_alias_at_an_account_is_a_conflict,
                a_removed_alias_is_not_in_use,
                removing_an_alias_that_is_not_there_is_missing,
                removing_an_alias_at_an_account_is_missing,
                many_aliases_put_at_once_are_all_there,
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
                nothing_is_visible_before_the_commit,
                a_dropped_writer_leaves_nothing,
                an_id_can_be_begun_again,
                a_cancelled_begin_leaves_nothing,
                a_message_whose_write_was_cancelled_cannot_be_committed,
                a_cancelled_commit_is_listed_for_all_or_for_none,
                messages_that_are_written_by_turns_do_not_mix,
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

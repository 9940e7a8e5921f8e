//! The contract of [`oncegate::store::Store`], as checks over a fresh empty store.
//!
//! The checks use only the trait and [`oncegate::store::Ledger`], so they work for any store:
//! `suite!(open())`, where `open` returns the store and every value that must outlive it.

pub mod claims;
pub mod documents;
pub mod lists;
pub mod names;
pub mod races;
pub mod retention;
pub mod round_trips;
pub mod table;
pub mod unknown;
pub mod writes;

macro_rules! suite {
    ($open:expr) => {
        $crate::contract::suite! { @checks $open;
            claims::a_claim_creates_a_stamped_record,
            claims::a_claim_finds_what_is_there,
            claims::a_claim_whose_answer_was_lost_wins_again,
            claims::a_claim_of_a_completed_operation_brings_its_response,
            claims::an_abandoned_claim_leaves_nothing,
            table::every_row_under_hold,
            table::every_row_under_retry,
            table::every_row_under_marker,
            table::every_row_under_probe,
            writes::a_stale_revision_changes_nothing,
            writes::what_is_absent_cannot_be_written_over,
            writes::a_record_that_was_freed_and_claimed_again_is_another_one,
            writes::a_renewal_after_the_completion_changes_nothing,
            writes::an_owner_that_lost_answers_from_the_record,
            writes::repeating_a_write_whose_answer_was_lost_changes_nothing,
            writes::a_response_comes_back_byte_for_byte,
            writes::a_response_goes_with_its_completion,
            writes::a_response_that_was_not_retained_is_remembered,
            retention::a_known_outcome_becomes_a_tombstone_and_ends,
            retention::an_unknown_outcome_is_remembered_as_unknown,
            retention::without_tombstone_only_the_known_is_forgotten,
            retention::a_key_is_free_again_before_any_sweep,
            retention::a_sweep_leaves_alone_what_is_not_due,
            retention::thousands_lapse_in_small_batches,
            retention::a_completion_may_come_after_the_lapse,
            retention::a_claim_may_be_abandoned_after_the_lapse,
            retention::an_unknown_outcome_can_be_cleared_once_it_is_quiet,
            lists::a_page_shows_what_fits,
            lists::pages_follow_each_other,
            lists::a_cursor_outlives_its_record,
            lists::the_longest_due_comes_first,
            lists::a_look_tells_when_the_next_record_is_due,
            unknown::the_oldest_unknown_comes_first,
            unknown::a_cursor_of_the_unknown_outlives_its_record,
            unknown::unknown_outcomes_are_counted_by_route,
            unknown::an_outcome_that_is_unknown_again_goes_to_the_end,
            unknown::what_is_no_longer_remembered_is_not_counted,
            unknown::there_is_nothing_to_mend_in_what_this_release_wrote,
            documents::documents_of_all_names_are_apart,
            documents::every_document_is_replaced_only_where_it_is_the_expected_one,
            names::a_document_is_replaced_only_where_it_is_the_expected_one,
            names::a_document_comes_back_byte_for_byte,
            names::one_of_many_replacements_is_made,
            names::entries_that_changed_meanwhile_are_not_written_over,
            names::what_records_say_of_an_earlier_release_is_found,
            names::executions_whose_gateway_is_gone_linger,
            races::one_of_many_claims_wins,
            races::one_of_many_writes_is_stored,
            races::a_lease_lapses_once,
            races::the_store_answers_and_is_not_broken,
        }
    };
    (@checks $open:expr; $($module:ident :: $check:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let (store, _alive) = $open;
                $crate::contract::$module::$check($crate::bench::Bench::of(store)).await;
            }
        )*
    };
}
pub(crate) use suite;

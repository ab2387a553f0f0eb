//! Decisions: login, recipients, intake, maildrop.

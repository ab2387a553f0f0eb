//! Several statements in one text.

/// Cuts a text into its statements. A semicolon within quotes does not end one, nor one within a
/// batch.
pub(in super::super) fn split(text: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut statement = String::new();
    let mut quote = None;
    for letter in text.chars() {
        match quote {
            Some(open) if open == letter => quote = None,
            None if matches!(letter, '\'' | '"') => quote = Some(letter),
            _ => {}
        }
        if letter == ';' && quote.is_none() && !is_open_batch(&statement) {
            statements.push(std::mem::take(&mut statement));
        } else {
            statement.push(letter);
        }
    }
    statements.push(statement);
    let trimmed = statements.iter().map(|statement| statement.trim());
    let filled = trimmed.filter(|statement| !statement.is_empty());
    filled.map(str::to_owned).collect()
}

fn is_open_batch(statement: &str) -> bool {
    let words = statement.to_ascii_uppercase();
    words.trim_start().starts_with("BEGIN") && !words.trim_end().ends_with("APPLY BATCH")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_end_statements() {
        assert_eq!(split("SELECT 1; SELECT 2 ;\n"), ["SELECT 1", "SELECT 2"]);
    }

    #[test]
    fn semicolons_in_quotes_do_not() {
        let text = "INSERT INTO t (a) VALUES ('x;''y;'); SELECT \"a;b\" FROM t";
        assert_eq!(split(text).len(), 2);
    }

    #[test]
    fn a_batch_is_one_statement() {
        let text = "begin unlogged batch insert a; insert b; apply batch; select c;";
        assert_eq!(split(text).len(), 2);
    }
}

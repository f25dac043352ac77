//! Lists for people: aligned columns, plain enough to be cut by a script.

use comfy_table::Table;

use super::local::say;

/// Print a table; only its head where there are no rows.
pub fn print(head: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(head.iter().map(|word| word.to_uppercase()));
    table.add_rows(rows);
    for line in table.to_string().lines() {
        say(line.trim_end());
    }
}

/// `1 hub`, `2 hubs`.
pub fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

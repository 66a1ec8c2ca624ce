//! The pages of `docs/design`: whole, true to the tree, and holding every section and story that anything cites.

use std::collections::BTreeSet;

use super::tree::{Tree, Violation};
use super::{assert_found, assert_none, repository};

const FOLDER: &str = "docs/design/";
/// This file makes bad citations up.
const SELF: &str = "tests/tidy/design.rs";
/// Sections of the design. Their numbers are never given anew.
const SECTIONS: u32 = 15;
/// The section that has the stories.
const STORIES_SECTION: u32 = 14;
/// Stories that must not happen.
const STORIES: u32 = 22;
/// The section that has the limits.
const LIMITS_SECTION: u32 = 12;
const SCENARIOS: &str = "tests/sim/scenarios.rs";

/// Pages of sections, by their numbers: `docs/design/06-….md` is section 6.
fn pages(tree: &Tree) -> impl Iterator<Item = (u32, &str, &str)> {
    tree.files().filter_map(|(path, text)| {
        let name = path.strip_prefix(FOLDER).filter(|name| name.ends_with(".md"))?;
        let (number, _) = name.split_once('-')?;
        Some((number.parse().ok()?, path, text))
    })
}

fn page(tree: &Tree, section: u32) -> (&str, &str) {
    let found = pages(tree).find(|(number, ..)| *number == section);
    found.map_or((FOLDER, ""), |(_, path, text)| (path, text))
}

/// Stories that have a heading on their page.
fn stories(tree: &Tree) -> BTreeSet<u32> {
    let (_, text) = page(tree, STORIES_SECTION);
    text.lines().filter_map(|line| line.strip_prefix("### Story ")?.trim().parse().ok()).collect()
}

/// Each section has one page, which the index links to; it begins with its number, and what is planned comes last.
fn whole(tree: &Tree) -> Vec<Violation> {
    let index = format!("{FOLDER}README.md");
    let links = tree.get(&index).unwrap_or_default();
    let mut found = Vec::new();
    for section in 1..=SECTIONS {
        if pages(tree).filter(|(number, ..)| *number == section).count() != 1 {
            found.push(Violation::of_file(FOLDER, format!("section {section} has not one page")));
        }
    }
    for (number, path, text) in pages(tree) {
        if !text.starts_with(&format!("# {number}. ")) {
            found.push(Violation::of_line(path, 1, format!("does not begin with # {number}.")));
        }
        let last = text.lines().rfind(|line| line.starts_with("## "));
        if last != Some("## Planned") {
            found.push(Violation::of_file(path, "does not end with ## Planned"));
        }
        if !links.contains(&format!("]({})", path.trim_start_matches(FOLDER))) {
            found.push(Violation::of_file(&index, format!("no link to {path}")));
        }
    }
    let told = stories(tree);
    let absent = (1..=STORIES).filter(|story| !told.contains(story));
    let (path, _) = page(tree, STORIES_SECTION);
    found.extend(absent.map(|story| Violation::of_file(path, format!("story {story} is not told"))));
    found
}

/// What a place of the design is called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Section(u32),
    Story(u32),
}

/// Words of a text without the marks of comments, with their lines.
fn words(text: &str) -> Vec<(usize, &str)> {
    let lines = (1..).zip(text.lines());
    let all = lines.flat_map(|(line, content)| content.split_whitespace().map(move |word| (line, word)));
    all.filter(|(_, word)| !matches!(*word, "//" | "///" | "//!" | "#" | "*" | ">" | "|")).collect()
}

/// Numbers that a word says: `14`, `(9)`, `"13:`, `1–15`. What has other letters or a part behind a point says none.
fn numbers(word: &str) -> Vec<u32> {
    let bare = word.trim_matches(|c: char| c.is_ascii_punctuation());
    let bare = bare.strip_suffix("'s").unwrap_or(bare);
    match bare.split_once(['–', '-']) {
        Some((first, last)) => match (first.parse::<u32>(), last.parse::<u32>()) {
            // A longer list than there are sections and stories is none of them.
            (Ok(first), Ok(last)) if last.saturating_sub(first) <= STORIES => (first..=last).collect(),
            (_, _) => Vec::new(),
        },
        None => bare.parse().into_iter().collect(),
    }
}

/// Places that a text cites: `section 6`, `sections 6, 7 and 14`, `story 9`, `story: "9: …"`.
fn citations(text: &str) -> Vec<(usize, Place)> {
    let words = words(text);
    let mut found = Vec::new();
    for (at, (_, word)) in words.iter().enumerate() {
        let word = word.trim_start_matches(|c: char| c.is_ascii_punctuation()).to_lowercase();
        let (make, is_list): (fn(u32) -> Place, bool) = match word.as_str() {
            "section" => (Place::Section, false),
            "sections" => (Place::Section, true),
            "story" | "story:" => (Place::Story, false),
            "stories" => (Place::Story, true),
            _ => continue,
        };
        for (line, word) in words.iter().skip(at + 1) {
            if is_list && matches!(*word, "and" | "or" | "to") {
                continue;
            }
            let said = numbers(word);
            found.extend(said.iter().map(|number| (*line, make(*number))));
            if said.is_empty() || !is_list || word.ends_with([')', '.', ':', ';']) {
                break;
            }
        }
    }
    found
}

/// Every section and story that anything cites is there.
fn cited(tree: &Tree) -> Vec<Violation> {
    let sections: BTreeSet<u32> = pages(tree).map(|(number, ..)| number).collect();
    let stories = stories(tree);
    let mut found = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| *path != SELF) {
        for (line, place) in citations(text) {
            let what = match place {
                Place::Section(number) if !sections.contains(&number) => format!("section {number}"),
                Place::Story(number) if !stories.contains(&number) => format!("story {number}"),
                Place::Section(_) | Place::Story(_) => continue,
            };
            found.push(Violation::of_line(path, line, format!("cites {what}, which the design has not")));
        }
    }
    found
}

/// What stands between backticks in a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Paths on the pages are there: what is between backticks and begins with a folder of the top.
fn paths(tree: &Tree) -> Vec<Violation> {
    let mut tops = tree.crates();
    tops.push("docs".to_owned());
    let is_path =
        |name: &&str| name.split_once('/').is_some_and(|(top, _)| tops.iter().any(|known| known == top));
    let mut found = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| path.starts_with(FOLDER)) {
        for (line, content) in (1..).zip(text.lines()) {
            let gone = quoted(content).filter(is_path).filter(|name| !tree.has(name));
            found.extend(gone.map(|name| Violation::of_line(path, line, format!("{name} is not there"))));
        }
    }
    found
}

/// Constants in the table of limits stand in a file of their row.
fn limits(tree: &Tree) -> Vec<Violation> {
    let (path, text) = page(tree, LIMITS_SECTION);
    let mut found = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        let cells: Vec<&str> = content.split('|').map(str::trim).collect();
        let [_, _, _, constants, files, _] = cells.as_slice() else { continue };
        let sources: Vec<&str> = quoted(files).filter_map(|file| tree.get(file)).collect();
        let is_there = |name: &str| sources.iter().any(|source| source.contains(&format!("const {name}:")));
        let gone = quoted(constants).filter(|name| !is_there(name));
        found.extend(gone.map(|name| Violation::of_line(path, line, format!("no file has {name}"))));
    }
    found
}

/// Scenarios that the stories name are there: words with a hyphen, between quotes.
fn scenarios(tree: &Tree) -> Vec<Violation> {
    let (path, text) = page(tree, STORIES_SECTION);
    let source = tree.get(SCENARIOS).unwrap_or_default();
    let is_name =
        |name: &&str| name.contains('-') && name.chars().all(|c| c == '-' || c.is_ascii_lowercase());
    let mut found = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        let names = content.split('"').skip(1).step_by(2).filter(is_name);
        let gone = names.filter(|name| !source.contains(&format!("name: \"{name}\"")));
        found.extend(gone.map(|name| Violation::of_line(path, line, format!("no scenario {name}"))));
    }
    found
}

#[test]
fn design_is_whole() {
    assert_none(&whole(&repository()));
}

#[test]
fn design_that_lacks_something_can_fail() {
    let names: Vec<String> = (1..=SECTIONS).map(|section| format!("{FOLDER}{section:02}-x.md")).collect();
    let mut texts: Vec<String> =
        (1..=SECTIONS).map(|section| format!("# {section}. X\n\n## Planned\n")).collect();
    texts[13] = (1..STORIES).map(|story| format!("### Story {story}\n")).collect();
    texts[13] = format!("# 14. X\n{}## Planned\n", texts[13]);
    texts[2] = "# 4. X\n## Planned\n\n## Later\n".to_owned();
    let links: String = names.iter().skip(1).map(|name| format!("[x]({})", &name[FOLDER.len()..])).collect();
    let index = format!("{FOLDER}README.md");
    let mut files: Vec<(&str, &str)> =
        names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    files.remove(1);
    files.push((&index, &links));
    let wanted = [
        "section 2 has not one page",
        "03-x.md:1: does not begin with # 3.",
        "03-x.md: does not end with",
        "README.md: no link to docs/design/01-x.md",
        "14-x.md: story 22 is not told",
    ];
    assert_found(&whole(&Tree::of(&files)), &wanted);
}

#[test]
fn design_has_what_is_cited() {
    let tree = repository();
    let all = tree.files().flat_map(|(_, text)| citations(text)).count();
    assert!(all > 100, "only {all} citations: they are not found any more");
    assert_none(&cited(&tree));
}

#[test]
fn citations_are_read_in_all_their_forms() {
    let places = |text: &str| citations(text).into_iter().map(|(_, place)| place).collect::<Vec<_>>();
    let section = |numbers: &[u32]| numbers.iter().map(|n| Place::Section(*n)).collect::<Vec<_>>();
    let story = |numbers: &[u32]| numbers.iter().map(|n| Place::Story(*n)).collect::<Vec<_>>();
    assert_eq!(places("(design.md section 12, \"row\")"), section(&[12]));
    assert_eq!(places("(design.md\n//! section\n//! 5): x"), section(&[5]));
    assert_eq!(places("sections 6, 7 and 14). 3 files"), section(&[6, 7, 14]));
    assert_eq!(places("Stories 2–4 and 6. 9 tests"), story(&[2, 3, 4, 6]));
    assert_eq!(places("section 14, story 9: 3 s"), [section(&[14]), story(&[9])].concat());
    assert_eq!(places("stories 4, 11 of section 14"), [story(&[4, 11]), section(&[14])].concat());
    assert_eq!(
        places("story: \"13: a clock\", story: \"section 5: a copy\""),
        [story(&[13]), section(&[5])].concat()
    );
    assert_eq!(places("a story of 3 nodes; section 4.2.3 of a thesis; § 7; stories end"), []);
}

#[test]
fn citations_can_fail() {
    let tree = Tree::of(&[
        ("docs/design/06-x.md", "# 6. X\n"),
        ("docs/design/14-x.md", "### Story 1\n### Story 3\n"),
        ("a.rs", "//! Stories 1, 2 and 3 of section 14; design.md\n//! section 7.\n"),
        ("b.toml", "# section 6\n# section 16, story 23\n"),
    ]);
    let texts = [
        "a.rs:1: cites story 2",
        "a.rs:2: cites section 7",
        "b.toml:2: cites section 16",
        "b.toml:2: cites story 23",
    ];
    assert_found(&cited(&tree), &texts);
}

#[test]
fn paths_of_the_design_are_there() {
    assert_none(&paths(&repository()));
}

#[test]
fn paths_can_fail() {
    let page = "`sql/src/exec.rs`, `sql/src/exec`, `sql/src/ex`\n`a/b`, `/ready`, `docs/design/01-x.md`, `docs/gone.md`\n";
    let tree = Tree::of(&[
        ("Cargo.toml", "members = [\"sql\"]\n"),
        ("docs/design/01-x.md", page),
        ("sql/src/exec.rs", ""),
        ("sql/src/exec/scan.rs", ""),
    ]);
    assert_found(&paths(&tree), &["01-x.md:1: sql/src/ex is not there", "01-x.md:2: docs/gone.md is not"]);
}

#[test]
fn limits_are_those_of_the_code() {
    let tree = repository();
    let (_, text) = page(&tree, LIMITS_SECTION);
    assert!(text.contains("`COMMAND_MAX_BYTES`"), "the table names its constants");
    assert_none(&limits(&tree));
}

#[test]
fn limits_can_fail() {
    let table =
        "| what | default | constant | file |\n|---|---|---|---|\n| a | 1 | `A_MAX`, `B_MAX` | `a.rs` |\n";
    let tree = Tree::of(&[("docs/design/12-x.md", table), ("a.rs", "pub const A_MAX: u64 = 1; // B_MAX")]);
    assert_found(&limits(&tree), &["12-x.md:3: no file has B_MAX"]);
}

#[test]
fn scenarios_of_the_stories_are_there() {
    assert_none(&scenarios(&repository()));
}

#[test]
fn scenarios_can_fail() {
    let tree = Tree::of(&[
        ("docs/design/14-x.md", "\"answer-lost\", \"gone-away\"\n\"no name\"\n"),
        (SCENARIOS, "name: \"answer-lost\","),
    ]);
    assert_found(&scenarios(&tree), &["14-x.md:1: no scenario gone-away"]);
}

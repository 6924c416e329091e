//! Python's `fnmatch.fnmatchcase`: the meaning that patterns in existing `prow_config.yaml`
//! files have. `*` crosses `/`, and nothing is special about a leading dot.

/// A pattern, ready to match.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    tokens: Vec<Token>,
    /// What every match starts with: most paths are told apart by it at once.
    start: String,
    /// What every match ends with, and is not a part of `start`.
    end: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// `*`: any characters.
    Any,
    /// `?`: one character.
    One,
    /// `[seq]` or `[!seq]`: one character in, or not in, these ranges.
    Set {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// The character itself.
    Character(char),
}

impl Pattern {
    /// Reads a pattern; every string is one.
    pub(crate) fn new(pattern: &str) -> Self {
        let characters: Vec<char> = pattern.chars().collect();
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(character) = characters.get(at) {
            at += 1;
            tokens.push(match character {
                // Several in a row mean the same as one, and cost more to match.
                '*' if tokens.last() == Some(&Token::Any) => continue,
                '*' => Token::Any,
                '?' => Token::One,
                '[' => match end_of_set(&characters, at) {
                    Some(end) => {
                        let set = set(&characters[at..end]);
                        at = end + 1;
                        set
                    }
                    // Never closed: a bracket like any character.
                    None => Token::Character('['),
                },
                other => Token::Character(*other),
            });
        }
        Pattern {
            start: literal(tokens.iter()).collect(),
            end: if tokens.contains(&Token::Any) {
                let reversed: Vec<char> = literal(tokens.iter().rev()).collect();
                reversed.into_iter().rev().collect()
            } else {
                String::new()
            },
            tokens,
        }
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        if !text.starts_with(&self.start) || !text.ends_with(&self.end) {
            return false;
        }
        let (mut token, mut rest) = (0, text);
        // Where to go on when the rest does not match: the last `*` takes one character more.
        let mut retry: Option<(usize, &str)> = None;
        while let Some(character) = rest.chars().next() {
            let after = &rest[character.len_utf8()..];
            match self.tokens.get(token) {
                Some(Token::Any) => {
                    token += 1;
                    retry = Some((token, rest));
                }
                Some(other) if other.takes(character) => {
                    token += 1;
                    rest = after;
                }
                _ => {
                    let Some((again, from)) = retry else {
                        return false;
                    };
                    let one = from.chars().next().map_or(0, char::len_utf8);
                    (token, rest) = (again, &from[one..]);
                    retry = Some((again, rest));
                }
            }
        }
        self.tokens[token..]
            .iter()
            .all(|token| *token == Token::Any)
    }
}

/// The characters before the first token that is not one.
fn literal<'a>(tokens: impl Iterator<Item = &'a Token>) -> impl Iterator<Item = char> {
    tokens.map_while(|token| match token {
        Token::Character(character) => Some(*character),
        _ => None,
    })
}

impl Token {
    fn takes(&self, character: char) -> bool {
        match self {
            Token::Any => false,
            Token::One => true,
            Token::Set { negated, ranges } => {
                let within = |(low, high): &(char, char)| (*low..=*high).contains(&character);
                ranges.iter().any(within) != *negated
            }
            Token::Character(own) => *own == character,
        }
    }
}

/// The index of the `]` that closes a set whose content starts at `start`. One that comes
/// first, after a `!` too, is content.
fn end_of_set(characters: &[char], start: usize) -> Option<usize> {
    let mut first = start;
    if characters.get(first) == Some(&'!') {
        first += 1;
    }
    if characters.get(first) == Some(&']') {
        first += 1;
    }
    let rest = characters.get(first..)?;
    Some(first + rest.iter().position(|character| *character == ']')?)
}

/// Reads the content of a set as `fnmatch.translate` does: a hyphen first or last is itself, a
/// range whose ends are the wrong way round is left out before the `!` is looked for, and a set
/// of nothing takes nothing (negated: anything).
fn set(content: &[char]) -> Token {
    let mut chunks = chunks(content);
    let negated = chunks[0].first() == Some(&'!');
    if negated {
        chunks[0].remove(0);
    }
    if chunks[0].is_empty() && chunks.len() > 1 {
        // The hyphen that stood behind the `!` has become the first character.
        chunks.remove(0);
        chunks[0].insert(0, '-');
    }
    let mut ranges = Vec::new();
    for (index, chunk) in chunks.iter().enumerate() {
        // The chunk's first character ended the range before it, its last one starts the next.
        let next = chunks.get(index + 1).and_then(|next| next.first());
        let from = usize::from(index > 0);
        let to = chunk.len() - usize::from(next.is_some());
        if let Some(plain) = chunk.get(from..to) {
            ranges.extend(plain.iter().map(|character| (*character, *character)));
        }
        if let (Some(low), Some(high)) = (chunk.last(), next) {
            ranges.push((*low, *high));
        }
    }
    Token::Set { negated, ranges }
}

/// Cuts the content at the hyphens that make ranges: the search for the next one starts three
/// characters on, and two chunks whose range is the wrong way round become one without it.
fn chunks(content: &[char]) -> Vec<Vec<char>> {
    let mut chunks: Vec<Vec<char>> = Vec::new();
    let mut start = 0;
    let mut search = if content.first() == Some(&'!') { 2 } else { 1 };
    while let Some(hyphen) = (search..content.len()).find(|at| content[*at] == '-') {
        chunks.push(content[start..hyphen].to_vec());
        start = hyphen + 1;
        search = hyphen + 3;
    }
    match (&content[start..], chunks.last_mut()) {
        // A hyphen at the end is itself.
        ([], Some(last)) => last.push('-'),
        (rest, _) => chunks.push(rest.to_vec()),
    }
    for index in (1..chunks.len()).rev() {
        if chunks[index - 1].last() > chunks[index].first() {
            let later = chunks.remove(index);
            let earlier = &mut chunks[index - 1];
            earlier.pop();
            earlier.extend(later.into_iter().skip(1));
        }
    }
    chunks
}

#[cfg(test)]
mod tests;

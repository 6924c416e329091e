//! Tokens and grammar of expressions.

use super::{Comparison, Node, Operand};

/// Deepest nesting of parentheses; the parser calls itself for each.
const MAX_DEPTH: usize = 64;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Text(String),
    Number(f64),
    Word(String),
    Symbol(&'static str),
}

const SYMBOLS: [&str; 14] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", ",",
];

/// Parses a whole expression; `hyphens`: a name may have them.
pub(super) fn parse(text: &str, hyphens: bool) -> Result<Node, String> {
    let mut parser = Parser {
        tokens: tokens(text, hyphens)?,
        next: 0,
        depth: 0,
    };
    let node = parser.either()?;
    match parser.tokens.get(parser.next) {
        None => Ok(node),
        Some(token) => Err(format!("{} is one too many", show(token))),
    }
}

fn tokens(text: &str, hyphens: bool) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first == '\'' || first == '"' {
            let (value, length) = quoted(rest, first)?;
            tokens.push(Token::Text(value));
            length
        } else if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            tokens.push(Token::Symbol(symbol));
            symbol.len()
        } else {
            let in_word =
                |c: char| c.is_alphanumeric() || c == '_' || c == '.' || (hyphens && c == '-');
            // A sign, where no value stands before it that something could be taken from.
            let after_value = matches!(
                tokens.last(),
                Some(Token::Text(_) | Token::Number(_) | Token::Word(_) | Token::Symbol(")" | "]"))
            );
            let after_sign = rest.strip_prefix('-').filter(|_| !after_value);
            let number =
                after_sign.filter(|number| number.starts_with(|c: char| c.is_ascii_digit()));
            let sign = usize::from(number.is_some());
            let word_length = |text: &str| text.find(|c| !in_word(c)).unwrap_or(text.len());
            let length = sign + word_length(&rest[sign..]);
            if length == 0 {
                return Err(format!("{first:?} is not supported in an expression"));
            }
            tokens.push(word(&rest[..length])?);
            length
        };
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

fn quoted(text: &str, quote: char) -> Result<(String, usize), String> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((index, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            end if end == quote => return Ok((value, index + 1)),
            other => value.push(other),
        }
    }
    Err(format!("the quote {quote} is not closed"))
}

fn word(word: &str) -> Result<Token, String> {
    Ok(match word {
        "and" => Token::Symbol("&&"),
        "or" => Token::Symbol("||"),
        "not" => Token::Symbol("!"),
        _ if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') => Token::Number(
            word.parse()
                .map_err(|_| format!("{word:?} is not a number"))?,
        ),
        _ => Token::Word(word.to_owned()),
    })
}

fn show(token: &Token) -> String {
    match token {
        Token::Text(text) => format!("{text:?}"),
        Token::Number(number) => number.to_string(),
        Token::Word(word) => format!("{word:?}"),
        Token::Symbol(symbol) => format!("{symbol:?}"),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser {
    fn take(&mut self, symbol: &str) -> bool {
        let found = matches!(self.tokens.get(self.next), Some(Token::Symbol(s)) if *s == symbol);
        self.next += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.next), Some(Token::Word(w)) if w == word);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.take(symbol) {
            Ok(())
        } else {
            Err(format!("{symbol:?} is missing"))
        }
    }

    fn either(&mut self) -> Result<Node, String> {
        let mut left = self.both()?;
        while self.take("||") {
            left = Node::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Node, String> {
        let mut left = self.comparison()?;
        while self.take("&&") {
            left = Node::And(Box::new(left), Box::new(self.comparison()?));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Node, String> {
        let left = self.operand()?;
        let symbols = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let words = [("in", Comparison::In), ("contains", Comparison::Contains)];
        let mut found = None;
        for (symbol, comparison) in symbols {
            if found.is_none() && self.take(symbol) {
                found = Some(comparison);
            }
        }
        for (word, comparison) in words {
            if found.is_none() && self.take_word(word) {
                found = Some(comparison);
            }
        }
        match found {
            None => Ok(left),
            Some(Comparison::In) => {
                let right = self.list()?;
                Ok(Node::Compare(
                    Comparison::In,
                    Box::new(left),
                    Box::new(right),
                ))
            }
            Some(comparison) => {
                let right = self.operand()?;
                Ok(Node::Compare(comparison, Box::new(left), Box::new(right)))
            }
        }
    }

    fn list(&mut self) -> Result<Node, String> {
        let close = if self.take("(") {
            ")"
        } else {
            self.expect("[")?;
            "]"
        };
        let mut items = Vec::new();
        while !self.take(close) {
            if !items.is_empty() {
                self.expect(",")?;
            }
            items.push(self.operand()?);
        }
        Ok(Node::List(items))
    }

    fn operand(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("it is nested more than {MAX_DEPTH} deep"));
        }
        let node = self.nested_operand();
        self.depth -= 1;
        node
    }

    fn nested_operand(&mut self) -> Result<Node, String> {
        if self.take("!") {
            return Ok(Node::Not(Box::new(self.operand()?)));
        }
        if self.take("(") {
            let inner = self.either()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        match token {
            Some(Token::Text(text)) => Ok(Node::Literal(Operand::Text(text))),
            Some(Token::Number(number)) => Ok(Node::Literal(Operand::Number(number))),
            Some(Token::Word(word)) => self.named(word),
            Some(Token::Symbol(symbol)) => Err(format!("{symbol:?} stands where a value should")),
            None => Err("a value is missing at the end".to_owned()),
        }
    }

    fn named(&mut self, word: String) -> Result<Node, String> {
        match word.as_str() {
            "true" => Ok(Node::Literal(Operand::Truth(true))),
            "false" => Ok(Node::Literal(Operand::Truth(false))),
            "asInt" | "asFloat" | "int" | "float" if self.take("(") => {
                let inner = self.either()?;
                self.expect(")")?;
                Ok(Node::ToNumber(Box::new(inner)))
            }
            _ => Ok(Node::Name(word)),
        }
    }
}

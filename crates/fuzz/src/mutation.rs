//! How a seed becomes something that nobody would write down.

use crate::dice::Dice;

/// No input gets longer, or a second is too few of them.
const LONGEST: usize = 4096;

/// Numbers at the borders of what is counted.
const NUMBERS: [&[u8]; 10] = [
    b"0",
    b"1",
    b"-1",
    b"255",
    b"65536",
    b"2147483648",
    b"4294967295",
    b"9223372036854775808",
    b"18446744073709551615",
    b"00000000000000000000000000001",
];

/// Changes a seed in one to eight places.
pub(crate) fn mutated(dice: &mut Dice, corpus: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
    let mut input = dice.pick(corpus).cloned().unwrap_or_default();
    for _ in 0..=dice.below(8) {
        change(dice, &mut input, corpus, words);
    }
    input.truncate(LONGEST);
    input
}

fn change(dice: &mut Dice, input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&[u8]]) {
    match dice.below(12) {
        0 => flip(dice, input),
        1 => overwrite(dice, input),
        2 => input.truncate(dice.below(input.len() + 1)),
        3 => remove(dice, input),
        4 => repeat(dice, input),
        5 => splice(dice, input, corpus),
        6 => swap_lines(dice, input),
        7 => insert(dice, input, &NUMBERS),
        _ => insert(dice, input, words),
    }
}

fn flip(dice: &mut Dice, input: &mut [u8]) {
    let at = dice.below(input.len());
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << dice.below(8);
    }
}

fn overwrite(dice: &mut Dice, input: &mut [u8]) {
    const ODD: [u8; 12] = [
        0, b'\t', b'\n', b'\r', 0x16, b' ', b'"', b'.', b'\\', 0x7f, 0x80, 0xff,
    ];
    let at = dice.below(input.len());
    if let Some(byte) = input.get_mut(at) {
        *byte = ODD[dice.below(ODD.len())];
    }
}

/// A range that begins anywhere and is short for the most part.
fn range(dice: &mut Dice, length: usize) -> std::ops::Range<usize> {
    let from = dice.below(length + 1);
    let most = if dice.once_in(4) { length } else { 16 };
    let to = from + dice.below(most.min(length - from) + 1);
    from..to
}

fn remove(dice: &mut Dice, input: &mut Vec<u8>) {
    let range = range(dice, input.len());
    input.drain(range);
}

fn repeat(dice: &mut Dice, input: &mut Vec<u8>) {
    let range = range(dice, input.len());
    let at = range.end;
    let times = if dice.once_in(4) { 64 } else { 2 };
    let piece = input[range].repeat(dice.below(times) + 1);
    input.splice(at..at, piece.into_iter().take(LONGEST));
}

fn splice(dice: &mut Dice, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let Some(other) = dice.pick(corpus) else {
        return;
    };
    let piece = other[range(dice, other.len())].to_vec();
    let into = range(dice, input.len());
    input.splice(into, piece);
}

fn swap_lines(dice: &mut Dice, input: &mut Vec<u8>) {
    let mut lines: Vec<&[u8]> = input.split_inclusive(|&byte| byte == b'\n').collect();
    let (one, other) = (dice.below(lines.len()), dice.below(lines.len()));
    if !lines.is_empty() {
        lines.swap(one, other);
    }
    *input = lines.concat();
}

fn insert(dice: &mut Dice, input: &mut Vec<u8>, words: &[&[u8]]) {
    if let Some(word) = dice.pick(words) {
        let at = dice.below(input.len() + 1);
        input.splice(at..at, word.iter().copied());
    }
}

//! Copies and compares bytes, in place of musl's routines on `x86_64`, for which everything in the program calls: SQLite, the
//! allocator, and each text that is put together. musl copies with `rep movs`, which takes some thirty cycles to begin,
//! and compares byte by byte; a session check copies some three hundred times, mostly less than 32 bytes. On other
//! processors musl has routines of their own.
#![cfg_attr(
    all(target_env = "musl", target_arch = "x86_64"),
    expect(unsafe_code, reason = "the names are the C library's, and the compiler counts on what they do")
)]

#[cfg(all(target_env = "musl", target_arch = "x86_64"))]
use std::arch::global_asm;

// void *memcpy(void *to, const void *from, size_t count)
//
// Up to 64 bytes, all is read before anything is written, the middle of it twice. Above, whatever is written at the end is
// read at the beginning, and what is between in rising order. So it also moves bytes to a lower place where some of them
// lie.
#[cfg(all(target_env = "musl", target_arch = "x86_64"))]
global_asm!(
    ".globl memcpy",
    ".type memcpy, @function",
    ".p2align 5",
    "memcpy:",
    "mov rax, rdi",
    "cmp rdx, 16",
    "jb 2f",
    "cmp rdx, 32",
    "ja 5f",
    "movups xmm0, [rsi]",
    "movups xmm1, [rsi + rdx - 16]",
    "movups [rdi], xmm0",
    "movups [rdi + rdx - 16], xmm1",
    "ret",
    // 0 to 15
    "2:",
    "cmp edx, 8",
    "jb 3f",
    "mov rcx, [rsi]",
    "mov r8, [rsi + rdx - 8]",
    "mov [rdi], rcx",
    "mov [rdi + rdx - 8], r8",
    "ret",
    // 0 to 7
    "3:",
    "cmp edx, 4",
    "jb 4f",
    "mov ecx, [rsi]",
    "mov r8d, [rsi + rdx - 4]",
    "mov [rdi], ecx",
    "mov [rdi + rdx - 4], r8d",
    "ret",
    // 0 to 3: the first, the one in the middle and the last
    "4:",
    "test edx, edx",
    "jz 9f",
    "mov r9, rdx",
    "shr r9",
    "movzx ecx, byte ptr [rsi]",
    "movzx r8d, byte ptr [rsi + rdx - 1]",
    "movzx r10d, byte ptr [rsi + r9]",
    "mov [rdi], cl",
    "mov [rdi + r9], r10b",
    "mov [rdi + rdx - 1], r8b",
    "9:",
    "ret",
    // 33 and more
    "5:",
    "cmp rdx, 64",
    "ja 6f",
    "movups xmm0, [rsi]",
    "movups xmm1, [rsi + 16]",
    "movups xmm2, [rsi + rdx - 32]",
    "movups xmm3, [rsi + rdx - 16]",
    "movups [rdi], xmm0",
    "movups [rdi + 16], xmm1",
    "movups [rdi + rdx - 32], xmm2",
    "movups [rdi + rdx - 16], xmm3",
    "ret",
    // 65 and more: the last 64, and before them 64 at a time
    "6:",
    "cmp rdx, 2048",
    "ja 8f",
    "movups xmm4, [rsi + rdx - 64]",
    "movups xmm5, [rsi + rdx - 48]",
    "movups xmm6, [rsi + rdx - 32]",
    "movups xmm7, [rsi + rdx - 16]",
    "lea r8, [rdi + rdx - 64]",
    "sub rdx, 64",
    "7:",
    "movups xmm0, [rsi]",
    "movups xmm1, [rsi + 16]",
    "movups xmm2, [rsi + 32]",
    "movups xmm3, [rsi + 48]",
    "movups [rdi], xmm0",
    "movups [rdi + 16], xmm1",
    "movups [rdi + 32], xmm2",
    "movups [rdi + 48], xmm3",
    "add rsi, 64",
    "add rdi, 64",
    "sub rdx, 64",
    "ja 7b",
    "movups [r8], xmm4",
    "movups [r8 + 16], xmm5",
    "movups [r8 + 32], xmm6",
    "movups [r8 + 48], xmm7",
    "ret",
    // More than 2,048: as many eights as there are, and the last eight
    "8:",
    "mov r8, [rsi + rdx - 8]",
    "lea r9, [rdi + rdx - 8]",
    "mov rcx, rdx",
    "shr rcx, 3",
    "rep movsq",
    "mov [r9], r8",
    "ret",
    ".size memcpy, . - memcpy",
);

// void *memmove(void *to, const void *from, size_t count)
//
// To a higher place where some of the bytes lie, they go in falling order.
#[cfg(all(target_env = "musl", target_arch = "x86_64"))]
global_asm!(
    ".globl memmove",
    ".type memmove, @function",
    ".p2align 5",
    "memmove:",
    "mov rax, rdi",
    "sub rax, rsi",
    "cmp rax, rdx",
    "jae memcpy",
    "cmp rdx, 64",
    "jbe memcpy",
    "mov rax, rdi",
    "movups xmm4, [rsi]",
    "movups xmm5, [rsi + 16]",
    "movups xmm6, [rsi + 32]",
    "movups xmm7, [rsi + 48]",
    "2:",
    "movups xmm0, [rsi + rdx - 64]",
    "movups xmm1, [rsi + rdx - 48]",
    "movups xmm2, [rsi + rdx - 32]",
    "movups xmm3, [rsi + rdx - 16]",
    "movups [rdi + rdx - 64], xmm0",
    "movups [rdi + rdx - 48], xmm1",
    "movups [rdi + rdx - 32], xmm2",
    "movups [rdi + rdx - 16], xmm3",
    "sub rdx, 64",
    "cmp rdx, 64",
    "ja 2b",
    "movups [rdi], xmm4",
    "movups [rdi + 16], xmm5",
    "movups [rdi + 32], xmm6",
    "movups [rdi + 48], xmm7",
    "ret",
    ".size memmove, . - memmove",
);

// int memcmp(const void *one, const void *other, size_t count), and bcmp, of which less is expected
#[cfg(all(target_env = "musl", target_arch = "x86_64"))]
global_asm!(
    ".globl memcmp",
    ".globl bcmp",
    ".type memcmp, @function",
    ".type bcmp, @function",
    ".p2align 5",
    "memcmp:",
    "bcmp:",
    "xor r8d, r8d",
    "sub rdx, 16",
    "jb 3f",
    // r8 is where the next 16 bytes lie, and rdx where the last ones do.
    "2:",
    "movdqu xmm0, [rdi + r8]",
    "movdqu xmm1, [rsi + r8]",
    "pcmpeqb xmm0, xmm1",
    "pmovmskb ecx, xmm0",
    "sub ecx, 0xffff",
    "jnz 5f",
    "cmp r8, rdx",
    "je 6f",
    "add r8, 16",
    "cmp r8, rdx",
    "jbe 2b",
    "mov r8, rdx",
    "jmp 2b",
    // Less than 16
    "3:",
    "add edx, 16",
    "jz 6f",
    "cmp edx, 8",
    "jb 8f",
    "mov rax, [rdi]",
    "cmp rax, [rsi]",
    "jne 4f",
    "mov rax, [rdi + rdx - 8]",
    "cmp rax, [rsi + rdx - 8]",
    "je 6f",
    "lea r8d, [rdx - 8]",
    "jmp 4f",
    "8:",
    "cmp edx, 4",
    "jb 4f",
    "mov eax, [rdi]",
    "cmp eax, [rsi]",
    "jne 4f",
    "mov eax, [rdi + rdx - 4]",
    "cmp eax, [rsi + rdx - 4]",
    "je 6f",
    "lea r8d, [rdx - 4]",
    // Where they differ is among the next few.
    "4:",
    "movzx eax, byte ptr [rdi + r8]",
    "movzx ecx, byte ptr [rsi + r8]",
    "sub eax, ecx",
    "jnz 7f",
    "inc r8d",
    "cmp r8d, edx",
    "jb 4b",
    "ret",
    // The lowest bit that is not set is that of the first byte that differs; the subtraction has set it and only it of
    // those up to there.
    "5:",
    "bsf ecx, ecx",
    "add r8, rcx",
    "movzx eax, byte ptr [rdi + r8]",
    "movzx ecx, byte ptr [rsi + r8]",
    "sub eax, ecx",
    "ret",
    "6:",
    "xor eax, eax",
    "7:",
    "ret",
    ".size memcmp, . - memcmp",
);

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;
    use std::hint::black_box;

    /// Beyond each of the sizes from which on bytes go another way.
    const SIZES: [usize; 24] =
        [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 200, 2048, 2060];

    fn sample(length: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(7);
        (0..length).map(|_| random.u8(..)).collect()
    }

    #[test]
    fn bytes_arrive_whole_and_nothing_beside_them_changes() {
        let from = sample(5000);
        for size in SIZES.into_iter().chain(0..300) {
            for (at, to) in [(0, 0), (1, 0), (0, 3), (5, 9), (16, 7)] {
                let mut into = vec![0xa5; size + 32];
                into[to..to + size].copy_from_slice(black_box(&from[at..at + size]));
                let is_right = into.iter().enumerate().all(|(place, byte)| match place.checked_sub(to) {
                    Some(offset) if offset < size => *byte == from[at + offset],
                    _ => *byte == 0xa5,
                });
                assert!(is_right, "{size} bytes from {at} to {to}");
            }
        }
    }

    #[test]
    fn bytes_move_over_one_another() {
        for size in SIZES.into_iter().chain(0..300) {
            for distance in [1, 2, 7, 8, 15, 16, 17, 40, 63, 64, 65, 100] {
                for (from, to) in [(0, distance), (distance, 0)] {
                    let before = sample(size + distance);
                    let mut moved = before.clone();
                    moved.copy_within(black_box(from..from + size), to);
                    let mut expected = before.clone();
                    for (place, byte) in before[from..from + size].iter().enumerate() {
                        expected[to + place] = *byte;
                    }
                    assert_eq!(moved, expected, "{size} bytes by {distance}");
                }
            }
        }
    }

    #[test]
    fn the_first_difference_decides() {
        for size in SIZES.into_iter().chain(1..100) {
            let one = sample(size);
            assert_eq!(black_box(&one[..]).cmp(black_box(&one.clone()[..])), Ordering::Equal, "{size} bytes");
            for place in 0..size {
                let mut other = one.clone();
                other[place] = other[place].wrapping_add(0x7f);
                if let Some(later) = other.get_mut(place + 1) {
                    *later = !*later;
                }
                let (one, other) = (black_box(&one[..]), black_box(&other[..]));
                assert_eq!(one.cmp(other), one[place].cmp(&other[place]), "{size} bytes, at {place}");
                assert!(one != other, "{size} bytes, at {place}");
            }
        }
    }
}

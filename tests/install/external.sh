#!/usr/bin/env bash
# An installed tree serves a program that knows nothing of this repository: through pkg-config with
# the shared and the static library, and through the CMake package.
set -eu
build=$(dirname "$1")
here=$(cd "$(dirname "$0")" && pwd)
scratch=$2
rm -rf "$scratch"
mkdir -p "$scratch"
cd "$scratch"
fail() { echo "failed: $*"; exit 1; }

cmake --install "$build" --prefix "$scratch/prefix" > install.log || { cat install.log; exit 1; }
# Moved: nothing installed may hold the path it was installed to.
mv prefix usr
library=$(dirname "$(find usr -name libtuff.so)")
export PKG_CONFIG_PATH=$scratch/$library/pkgconfig
for file in usr/bin/tuff usr/include/tuff/error.h usr/share/man/man1/tuff.1 "$library/libtuff.a"; do
  [ -s "$file" ] || fail "$file was not installed"
done
[ "tuff $(pkg-config --modversion tuff)" = "$(usr/bin/tuff --version)" ] || fail "versions differ"

# The manual page lists the commands that the help lists, in its order.
usr/bin/tuff --help | sed -nE 's/^  ([a-z]+) .*/\1/p' > commands
sed -nE '/^\.SH COMMANDS/,/^\.SH OPTIONS/s/^\.B ([a-z]+)$/\1/p' usr/share/man/man1/tuff.1 > manual
[ -s commands ] || fail "tuff --help lists no command"
diff commands manual || fail "docs/tuff.1 and tuff --help list different commands"

expect() { # PROGRAM: its output
  "$@" > out || { cat out; fail "$* gave exit code $?"; }
  grep -Eq "^tuff $(pkg-config --modversion tuff) sees [1-9][0-9]* devices$" out ||
    { cat out; fail "$*: unexpected output"; }
}
read -ra flags <<< "$(pkg-config --cflags --libs tuff)"
cc -std=c11 -Wall -Wextra -Wpedantic -Werror -o shared "$here/program.c" "${flags[@]}"
expect env LD_LIBRARY_PATH="$library" ./shared
c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -x c++ -o plusplus "$here/program.c" "${flags[@]}"
expect env LD_LIBRARY_PATH="$library" ./plusplus

mkdir project
cat > project/CMakeLists.txt << 'END'
cmake_minimum_required(VERSION 3.22)
project(user C)
find_package(tuff 0.1 REQUIRED)
add_executable(user ${PROGRAM})
target_link_libraries(user PRIVATE tuff::tuff)
END
if ! { cmake -G Ninja -S project -B project/build -DPROGRAM="$here/program.c" \
  -DCMAKE_PREFIX_PATH="$scratch/usr" && cmake --build project/build; } > cmake.log; then
  cat cmake.log
  fail "the CMake package"
fi
expect project/build/user

# Without the shared library the linker has no choice but the static one.
rm "$library"/libtuff.so*
read -ra flags <<< "$(pkg-config --static --cflags --libs tuff)"
cc -std=c11 -o static "$here/program.c" "${flags[@]}"
expect ./static
echo "pkg-config (shared, static, C++) and CMake: fine"

# tests/fuzz/fuzz_<format>.c is a libFuzzer program of its own. Needs clang:
#   cmake -B build-fuzz -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
#         -DTUFF_FUZZ=ON -DTUFF_SANITIZE=ON && cmake --build build-fuzz
#   mkdir -p build-fuzz/found      (what it finds goes to the first folder)
#   build-fuzz/tests/fuzz_tokenizer -max_total_time=60 build-fuzz/found tests/fuzz/corpus/tokenizer
# tests/fuzz/corpus/<format>/ are small valid files to start from: without one a fuzzer hardly passes
# the first check.
if(TUFF_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "TUFF_FUZZ needs clang: -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++")
  endif()
  if(NOT TUFF_SANITIZE)
    message(FATAL_ERROR "TUFF_FUZZ finds little without the sanitizers: add -DTUFF_SANITIZE=ON")
  endif()
  file(GLOB fuzzers CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/fuzz_*.c)
  foreach(source ${fuzzers})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE ${below} tuff_options)
    target_compile_options(${name} PRIVATE -Wno-missing-prototypes)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer,address,undefined)
  endforeach()
endif()

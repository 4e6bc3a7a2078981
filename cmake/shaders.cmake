# Every shaders/<family>/<name>.comp becomes rows of the kernel table: no kernel is listed by hand.
find_program(GLSLANG NAMES glslangValidator glslang REQUIRED)
add_executable(spvgen tools/spvgen.c)
file(GLOB comps CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/shaders shaders/*/*.comp)
set(gen ${CMAKE_BINARY_DIR}/kernels)
file(MAKE_DIRECTORY ${gen})
set(incs)
set(code "")
set(rows "")
foreach(comp ${comps})
  string(REPLACE "/" "_" flat ${comp})
  string(REPLACE ".comp" "" flat ${flat})
  set(inc ${gen}/${flat}.inc)
  add_custom_command(OUTPUT ${inc}
    COMMAND spvgen ${GLSLANG} ${CMAKE_SOURCE_DIR}/shaders ${comp} ${inc} ${inc}.d
    DEPENDS spvgen ${CMAKE_SOURCE_DIR}/shaders/${comp} DEPFILE ${inc}.d COMMENT "shader ${comp}" VERBATIM)
  list(APPEND incs ${inc})
  string(APPEND code "#define KERNEL_SYMBOL(i) ${flat}_##i\n#include \"${inc}\"\n#undef KERNEL_SYMBOL\n")
endforeach()
file(GENERATE OUTPUT ${gen}/kernels.c CONTENT "/* made by cmake/shaders.cmake */
#include \"kernel/kernel.h\"
#include <stddef.h>
#define TUFF_KERNEL_CODE
${code}#undef TUFF_KERNEL_CODE
#define TUFF_KERNEL_ROW
const struct tuff_kernel tuff_kernel_table[] = {
${code}{0}};
const size_t tuff_kernel_count = sizeof tuff_kernel_table / sizeof tuff_kernel_table[0] - 1;
")
set_source_files_properties(${gen}/kernels.c PROPERTIES GENERATED ON OBJECT_DEPENDS "${incs}")
target_sources(tuff_kernel PRIVATE ${gen}/kernels.c)

# HDF5's C library without CMake's own module, which wants a C compiler. Defines libhdf5::libhdf5.
find_path(libhdf5_INCLUDE_DIR NAMES hdf5.h PATH_SUFFIXES hdf5/serial)
find_library(libhdf5_LIBRARY NAMES hdf5_serial hdf5)
mark_as_advanced(libhdf5_INCLUDE_DIR libhdf5_LIBRARY)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(libhdf5 REQUIRED_VARS libhdf5_LIBRARY libhdf5_INCLUDE_DIR)
if(libhdf5_FOUND AND NOT TARGET libhdf5::libhdf5)
  add_library(libhdf5::libhdf5 UNKNOWN IMPORTED)
  set_target_properties(libhdf5::libhdf5 PROPERTIES IMPORTED_LOCATION "${libhdf5_LIBRARY}"
                                                    INTERFACE_INCLUDE_DIRECTORIES "${libhdf5_INCLUDE_DIR}")
endif()
